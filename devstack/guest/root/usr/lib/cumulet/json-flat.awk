# Turns JSON into one line per value: its path, a tab, the value.
#   {"a": {"b": [1, "x"]}}  ->  a.b.0<TAB>1
#                               a.b.1<TAB>x
# It takes the text token by token, so line breaks and blanks in it do not
# matter. Control characters in names and values become blanks: a line is always
# one value. Ends with status 1, after the values so far, if it is not JSON.
# Meant for what the metadata service and the config drive deliver: a dot in a
# name is not told from a step of the path.

function utf8(n) {
  if (n < 32) return " "
  if (n < 128) return sprintf("%c", n)
  if (n < 2048) return sprintf("%c%c", 192 + int(n / 64), 128 + n % 64)
  return sprintf("%c%c%c", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64)
}

function hex(s,    i, n) {
  for (i = 1; i <= length(s); i++) n = n * 16 + index("123456789abcdef", tolower(substr(s, i, 1)))
  return n
}

# The text of a string token: without its quotes, with its escapes undone.
function text(token,    out, c) {
  token = substr(token, 2, length(token) - 2)
  while (match(token, /\\/)) {
    out = out substr(token, 1, RSTART - 1)
    c = substr(token, RSTART + 1, 1)
    token = substr(token, RSTART + 2)
    if (c == "u") { out = out utf8(hex(substr(token, 1, 4))); token = substr(token, 5) }
    else out = out (index("bfnrt", c) ? " " : c)
  }
  return out token
}

function path(    i, p) {
  for (i = 1; i <= depth; i++) p = p (i > 1 ? "." : "") name[i]
  return p
}

# After a value: the next element of an array has the next number.
function emit(value) {
  gsub(/[[:cntrl:]]/, " ", value)
  print path() "\t" value
}

{ all = all $0 " " }

END {
  while (match(all, /^[ \t\r]*("([^"\\]|\\.)*"|[][{}:,]|[^][{}:," \t\r]+)/)) {
    token = substr(all, 1, RLENGTH)
    all = substr(all, RLENGTH + 1)
    sub(/^[ \t\r]+/, "", token)
    c = substr(token, 1, 1)
    if (c == "{" || c == "[") {
      kind[++depth] = c
      name[depth] = (c == "[") ? 0 : ""
      want_name = (c == "{")
    } else if (c == "}" || c == "]") {
      if (depth == 0 || kind[depth] != (c == "}" ? "{" : "[")) exit 1
      depth--
      want_name = 0
    } else if (c == ",") {
      if (kind[depth] == "[") name[depth]++
      else want_name = 1
    } else if (c == ":") {
      want_name = 0
    } else if (want_name) {
      if (c != "\"") exit 1
      name[depth] = text(token)
      gsub(/[[:cntrl:]]/, " ", name[depth])
    } else {
      emit(c == "\"" ? text(token) : token)
    }
  }
  if (depth || all !~ /^[ \t\r]*$/) exit 1
}
