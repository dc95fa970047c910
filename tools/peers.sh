#!/usr/bin/env bash
# Fetch the programs that `fengsui bench peers` measures beside Fengsui into FENGSUI_HOME/peers (default ./var/peers).
# Debian's packages are unpacked, not installed: no root, no service, nothing outside that folder.
set -eu
there=${FENGSUI_HOME:-./var}/peers
mkdir -p "$there"
cd "$there"
for package in victoria-metrics prometheus influxdb; do
  ls "$package"_*.deb >/dev/null 2>&1 && continue
  if ! apt-get download -qq "$package" 2>/dev/null; then
    [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get download -qq "$package" 2>/dev/null || {
      echo "$package is not to be had from this machine's Debian archive: it will be named as not measured" >&2
      continue
    }
  fi
  dpkg-deb -x "$package"_*.deb .
  echo "$package $(dpkg-deb -f "$package"_*.deb Version)"
done

# Bytewax beside our own Python, in a folder that nothing else looks into.
python=$OLDPWD/.venv/bin/python
[ -x "$python" ] || python=python3
[ -d python/bytewax ] || "$python" -m pip --disable-pip-version-check --no-input -q install --only-binary=:all: \
  --target python "bytewax==0.21.*" || echo "bytewax is not to be had: it will be named as not measured" >&2
