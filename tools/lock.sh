#!/usr/bin/env bash
# Make the lock files anew from pyproject.toml: hashes of every file, and no word of where packages come from.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
command -v "$uv" >/dev/null || { echo "lock needs uv: pip install uv" >&2; exit 1; }
compile() {
  "$uv" pip compile -q pyproject.toml --python-platform x86_64-manylinux_2_28 --python-version 3.11 \
    --generate-hashes --only-binary :all: --no-emit-index-url --no-emit-find-links --no-annotate --no-header "$@"
}
compile --extra dev -o requirements/dev.txt
compile --extra build --extra video --constraints requirements/dev.txt -o requirements/run.txt
# Spark apart: it has no wheel, and most installations do not want its 450 MB.
python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["spark"], sep="\n")' |
  "$uv" pip compile -q - --python-platform x86_64-manylinux_2_28 --python-version 3.11 --generate-hashes \
    --only-binary :all: --no-binary pyspark --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
    --constraints requirements/dev.txt -o requirements/spark.txt
# A client of other people for the tests of SensorThings: one of its parts is to be had as source only.
python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["frost"], sep="\n")' |
  "$uv" pip compile -q - --python-platform x86_64-manylinux_2_28 --python-version 3.11 --generate-hashes \
    --only-binary :all: --no-binary demjson3 --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
    --constraints requirements/dev.txt -o requirements/frost.txt
# npm writes who asks for gifts beside each package: addresses, and nothing that an installation needs.
python3 - web/package-lock.json <<'EOF'
import json, sys
lock = json.load(open(sys.argv[1]))
for package in lock["packages"].values():
    package.pop("funding", None)
open(sys.argv[1], "w").write(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
EOF
