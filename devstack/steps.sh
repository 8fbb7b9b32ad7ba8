# Shared by the scripts of this folder: named and timed steps, packages, the virtual environment. Sourced, not run.
# Needs only bash and what every Debian or Ubuntu has.

state_dir=${CUMULET_STATE_DIR:-/var/lib/cumulet}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

usage() {
    [ $# -eq 0 ] || echo "$(basename "$0"): $1" >&2
    sed -n '2s/^# //p' "$0" >&2
    exit 2
}

become_root() { # SCRIPT ARGUMENTS…: run again through sudo when not root
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null || { echo "$(basename "$1"): must be run as root, and sudo is not installed" >&2; exit 1; }
    exec sudo --preserve-env=CUMULET_STATE_DIR,CUMULET_CONFIG,CUMULET_CLIENT_DIR "$@"
}

step() { # NAME COMMAND…: run it quietly, show name and time; on failure show its output
    local name=$1 begin log
    shift
    begin=$(now_ms)
    log=$(mktemp)
    printf '  %-34s' "$name"
    if "$@" >"$log" 2>&1; then
        printf ' ok  %6.1f s  %s\n' "$(seconds $(($(now_ms) - begin)))" "$(tail -n 1 "$log" | cut -c1-100)"
        rm -f "$log"
        return 0
    fi
    printf ' FAILED after %.1f s\n' "$(seconds $(($(now_ms) - begin)))"
    sed 's/^/    /' "$log" | tail -n 30 >&2
    rm -f "$log"
    exit 1
}

begun=() # what begin_step has started: "PID FILE", in this order

begin_step() { # NAME COMMAND…: a step beside those that follow; await_steps shows how it ended
    local shown
    shown=$(mktemp)
    (step "$@") >"$shown" 2>&1 &
    begun+=("$! $shown")
}

await_steps() { # exits when one of them failed, after all have ended
    local each status=0
    for each in "${begun[@]}"; do
        wait "${each%% *}" || status=1
        cat "${each#* }"
        rm -f "${each#* }"
    done
    begun=()
    [ $status -eq 0 ] || exit 1
}

seconds() { echo "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }

# What the services need at run time, what building their Python packages needs, and what builds the guest image.
runtime_packages() {
    echo ca-certificates iproute2 iputils-ping procps util-linux openssh-client acl \
        python3 python3-venv python3-dev gcc libc6-dev pkg-config libvirt-dev \
        libvirt-daemon libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu \
        qemu-system-x86 qemu-utils nftables dnsmasq-base genisoimage ovmf \
        $("$top/devstack/build-image" --packages)
}

# What the lab runs beside them.
lab_packages() {
    echo postgresql rabbitmq-server
}

# What the tests need beside them; the Go ones are the client library gophercloud and what compiles it.
test_packages() {
    echo git $(lab_packages) mmdebstrap debootstrap busybox-static tcpdump \
        netcat-openbsd golang-go golang-github-gophercloud-gophercloud-dev
}

# What the full run tests on real ones of, beside them: a Ceph of a test's own, and QEMU's way to it.
full_test_packages() {
    echo ceph-mon ceph-osd ceph-common qemu-block-extra
}

install_packages() { # PACKAGES…: only what is missing
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        echo "all $# are there"
        return 0
    fi
    wait_for_apt
    # Services of the packages must not start by themselves: libvirt's default network would take a subnet, and a
    # broker or database of the distribution is none of ours.
    local policy=/usr/sbin/policy-rc.d made_policy=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        made_policy=1
    fi
    local status=0
    apt-get update -q || status=$?
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" || status=$?
    [ -z "$made_policy" ] || rm -f $policy
    if [ $status -ne 0 ]; then
        echo "Could not install: ${missing[*]}. Check /etc/apt/sources.list and the network, then run this again."
        return 1
    fi
    echo "installed ${#missing[@]}"
}

wait_for_apt() { # another apt (unattended-upgrades) may hold the lock for a while
    local tries=0
    while command -v fuser >/dev/null && fuser -s /var/lib/dpkg/lock-frontend 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 60 ] || { echo "another package manager has been running for two minutes; try again when it is done"; return 1; }
        sleep 2
    done
}

venv_dir() { # in the checkout; elsewhere when the services' own user could not reach it there
    if checkout_is_reachable; then echo "$top/.venv"; else echo /var/lib/cumulet/venv; fi
}

checkout_is_reachable() {
    local folder=$top
    while [ "$folder" != / ]; do
        [ "$(stat -c %a "$folder" | tail -c 2)" -ge 5 ] 2>/dev/null || return 1
        folder=$(dirname "$folder")
    done
}

copied_code() { # what an install that is no editable one has copied, and must copy again when it changes
    checkout_is_reachable || (cd "$top" && find api cli common compute_agent scheduler -name '*.py' -exec sha256sum {} + | sort)
}

install_python() { # EXTRA: the virtual environment with this project and its requirements
    local venv extra=$1 stamp wanted
    venv=$(venv_dir)
    stamp=$venv/.cumulet-$extra
    wanted=$(cat "$top/setup.cfg" "$top/pyproject.toml" <(/usr/bin/python3 -V) <(echo "$top $venv") <(copied_code) | sha256sum)
    if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        echo "up to date"
        return 0
    fi
    mkdir -p "$(dirname "$venv")"
    [ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --editable "$top[$extra]" || {
        echo "pip could not install the Python packages. Check the network and the package index, then run this again."
        return 1
    }
    if ! checkout_is_reachable; then # the services' user can't follow an editable install into a private folder
        chmod 711 /var/lib/cumulet
        "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --force-reinstall "$top"
    fi
    echo "$wanted" >"$stamp"
    echo "installed into $venv"
}

install_clients() { # what setup.cfg calls `clients`, without this project, and Ansible's collection openstack.cloud
    local venv stamp wanted wheel
    venv=$(venv_dir)-clients
    stamp=$venv/.cumulet-clients
    wanted=$(cat <(client_requirements) <(/usr/bin/python3 -V) <(echo "$venv") | sha256sum)
    if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        echo "up to date"
        return 0
    fi
    mkdir -p "$(dirname "$venv")"
    [ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv "$venv"
    wheel=$(mktemp -d)
    # Collections come from Galaxy or in the package `ansible`, all hundred of them: one megabyte of it is kept.
    "$venv/bin/pip" install -q --disable-pip-version-check -r <(client_requirements) &&
        "$venv/bin/pip" download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$wheel" ansible &&
        rm -rf "$venv/collections" &&
        "$venv/bin/python" - "$wheel" "$venv/collections" <<'EOF' || {
import pathlib, sys, zipfile
for wheel in pathlib.Path(sys.argv[1]).glob("ansible-*.whl"):
    with zipfile.ZipFile(wheel) as package:
        package.extractall(sys.argv[2], [n for n in package.namelist() if n.startswith("ansible_collections/openstack/cloud/")])
EOF
        rm -rf "$wheel"
        echo "pip could not install the clients that tests run. Check the network and the package index, then run this again."
        return 1
    }
    rm -rf "$wheel"
    echo "$wanted" >"$stamp"
    echo "installed into $venv"
}

client_requirements() {
    /usr/bin/python3 -c '
import configparser, sys
setup = configparser.ConfigParser()
setup.read(sys.argv[1])
print(setup["options.extras_require"]["clients"].strip())' "$top/setup.cfg"
}
