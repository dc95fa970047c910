#!/usr/bin/env bash
# Make the virtual environment: venv.sh PYTHON FOLDER.  On a bare Debian the module that does it is a package apart.
set -eu
python=$1 folder=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  { echo "Fengsui needs Python 3.11 or newer as python3 (or: make PYTHON=/path/to/python)" >&2; exit 1; }
"$python" -m venv "$folder" 2>/dev/null && exit 0
rm -rf "$folder"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  exec "$python" -m venv "$folder"
fi
echo "Python's venv module is missing: sudo apt-get install python3-venv" >&2
exit 1
