#!/bin/sh
# Make the virtual environment: ./bootstrap.sh requirements.txt, or requirements-dev.txt (the same and the test tools).
# Does nothing when the environment already is what the file says. Needs python3 >= 3.11, < 3.14; PYTHON=... names one.
set -eu
cd "$(dirname "$0")"
requirements=${1:-requirements.txt}
environment=.venv
need_gb=12

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

# What the environment is made of: the pins, the project's description, its packages, where it lies.
fingerprint() {
    { cat "$1" pyproject.toml && ls -d include/*/ plugins/*/ && pwd; } | sha256sum | cut -d' ' -f1
}

is_current() {
    stamp=$environment/$1.sha256
    [ -x $environment/bin/searchloom ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$1")" ]
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "there is no Python 3.11, 3.12 or 3.13: install one (Debian: apt install python3 python3-venv), or name it: PYTHON=..."
}

check_prerequisites() {
    for program in git node mvn; do
        case $program in
            node) package=nodejs ;;
            mvn) package=maven ;;
            *) package=$program ;;
        esac
        command -v $program >/dev/null || fail "$program is missing: install it (Debian: apt install $package)"
    done
    PYTHONPATH=include "$1" - <<'PYTHON' || exit 2
import sys
from searchloom.errors import SearchloomError
from searchloom.stack import accounts, jdk
try:
    jdk.find(accounts.engine_account())
except SearchloomError as error:
    sys.exit(f"error: {error}")
PYTHON
    free_gb=$(($(df -Pk . | awk 'NR == 2 { print $4 }') / 1000000))
    [ $free_gb -ge $need_gb ] || fail "only $free_gb GB are free here, the set-up needs $need_gb: free some, or clone to another disk"
}

make_environment() {
    # An environment that was begun but not finished, or that was moved, is begun again.
    clear=
    [ -f $environment/home ] && [ "$(cat $environment/home)" = "$PWD" ] || clear=--clear
    "$1" -m venv $clear $environment 2>$environment.log \
        || fail "python3 cannot make a virtual environment ($(tail -n 1 $environment.log)): Debian needs 'apt install python3-venv'"
    rm -f $environment.log
    printf %s "$PWD" >$environment/home
    # The installer itself is pinned by hash in the same file.
    awk '/^uv==/ { on = 1; print; next } /^[^ ]/ { on = 0 } on' "$requirements" >$environment/uv.txt
    $environment/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $environment/uv.txt \
        || fail "the installer uv could not be fetched from the package index; check the network and run the command again"
}

# HOME may be unset or not ours: the caches then stay in the checkout.
if [ -z "${HOME:-}" ] || [ ! -w "$HOME" ]; then
    HOME=$PWD/.cache/home
    mkdir -p "$HOME"
    export HOME
fi

[ -f "$requirements" ] || fail "there is no $requirements here; run this in a checkout of Searchloom"
# One at a time: 'make lint' and 'make test' may be run side by side.
mkdir -p .cache
exec 9>.cache/bootstrap.lock
if command -v flock >/dev/null; then flock 9; fi
is_current "$requirements" && exit 0
[ "$requirements" = requirements.txt ] && is_current requirements-dev.txt && exit 0

python=$(find_python) || exit 2
check_prerequisites "$python"
[ -x $environment/bin/uv ] && [ "$(cat $environment/home 2>/dev/null)" = "$PWD" ] || make_environment "$python"
echo "installing $(grep -c '^[a-z].*==' "$requirements") packages from $requirements (4 GB the first time)"
rm -f $environment/*.sha256
export VIRTUAL_ENV="$PWD/$environment" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
$environment/bin/uv pip sync --require-hashes "$requirements" \
    || fail "the packages could not be installed (see above); run the command again, it goes on where it stopped"
$environment/bin/uv pip install --quiet --no-deps --editable . || fail "the project itself could not be installed (see above)"
fingerprint "$requirements" >"$environment/$requirements.sha256"
