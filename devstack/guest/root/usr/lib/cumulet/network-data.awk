# Reads OpenStack's network_data.json after json-flat.awk and prints what is
# static in it, one thing per line and with nothing but checked characters:
#   mtu MAC NUMBER
#   address MAC ADDRESS/PREFIX
#   route MAC DESTINATION/PREFIX GATEWAY
#   dns MAC ADDRESS
# The lines of an interface come in the order in which they have to be applied.

BEGIN { FS = "\t" }

# Prefix length of a netmask: "255.255.255.0", "ffff:ffff::" or just "24".
function prefix(mask,    n, i, j, part, bits, groups) {
  if (mask ~ /^[0-9]+$/) return mask
  if (mask ~ /:/) {
    # What "::" leaves out is zeros and adds nothing.
    groups = split(tolower(mask), part, ":")
    for (i = 1; i <= groups; i++)
      for (j = 1; j <= length(part[i]); j++)
        n += substr("0112122312232334", index("0123456789abcdef", substr(part[i], j, 1)), 1)
    return n + 0
  }
  groups = split(mask, part, ".")
  for (i = 1; i <= groups; i++)
    for (bits = part[i]; bits > 0; bits = int(bits / 2)) n += bits % 2
  return n + 0
}

function is_address(s) { return s ~ /^[0-9a-fA-F:.]+$/ }

function cidr(address, mask) {
  if (address ~ /\/[0-9]+$/) return address
  if (mask == "") return address (address ~ /:/ ? "/128" : "/32")
  return address "/" prefix(mask)
}

function dns(where, mac,    j, s) {
  for (j = 0; (where "services." j ".address") in value; j++) {
    s = where "services." j "."
    if (value[s "type"] == "dns" && is_address(value[s "address"])) print "dns", mac, value[s "address"]
  }
}

{ value[$1] = $2; split($1, step, "."); if (step[2] + 0 > last[step[1]]) last[step[1]] = step[2] + 0 }

END {
  for (i = 0; i <= last["links"]; i++) {
    mac = tolower(value["links." i ".ethernet_mac_address"])
    if (mac !~ /^[0-9a-f:]+$/) continue
    mac_of[value["links." i ".id"]] = mac
    if (value["links." i ".mtu"] ~ /^[0-9]+$/) mtu_of[mac] = value["links." i ".mtu"]
  }
  for (i = 0; i <= last["networks"]; i++) {
    n = "networks." i "."
    mac = mac_of[value[n "link"]]
    address = value[n "ip_address"]
    bare = address
    sub(/\/[0-9]+$/, "", bare)
    # Types like ipv4_dhcp and ipv6_slaac configure themselves.
    if (mac == "" || value[n "type"] !~ /^ipv[46]$/ || !is_address(bare)) continue
    if (mac in mtu_of) { print "mtu", mac, mtu_of[mac]; delete mtu_of[mac] }
    print "address", mac, cidr(address, value[n "netmask"])
    # Some only give the gateway of the whole network.
    if (is_address(value[n "gateway"]))
      print "route", mac, (bare ~ /:/ ? "::/0" : "0.0.0.0/0"), value[n "gateway"]
    for (j = 0; (n "routes." j ".network") in value; j++) {
      r = n "routes." j "."
      if (is_address(value[r "network"]) && is_address(value[r "gateway"]))
        print "route", mac, cidr(value[r "network"], value[r "netmask"]), value[r "gateway"]
    }
    dns(n, mac)
    last_mac = mac
  }
  if (last_mac != "") dns("", last_mac)
}
