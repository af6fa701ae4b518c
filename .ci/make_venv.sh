#!/usr/bin/env bash
# Makes the virtual environment with the first Python of 3.11 to 3.13 it finds, or says what is missing.
set -euo pipefail
venv=$1

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

if [ -x "$venv/bin/python" ] && fits "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

python=
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
    if command -v "$candidate" >/dev/null && fits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Forge needs Python 3.11, 3.12 or 3.13; none was found ($(python3 --version 2>&1 || true))." >&2
    echo "Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$python cannot make virtual environments: its venv module is missing." >&2
    echo "Install it (Debian, Ubuntu: apt install python3-venv or python$version-venv) and run make again." >&2
    exit 1
fi
echo "making $venv with $("$python" --version)"
rm -rf "$venv"
"$python" -m venv "$venv"
