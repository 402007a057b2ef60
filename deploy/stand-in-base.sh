#!/usr/bin/env bash
# Makes a base image like python:slim out of Debian's packages, where no image registry is reachable:
#
#     sudo deploy/stand-in-base.sh NAME        (needs root, debootstrap and podman)
#
# It holds what the official image holds: Debian's minimal system, certificates, time zones, and
# Python with venv, pip and headers; Debian's Python 3.11 instead of one built into /usr/local.
set -euo pipefail

name="${1:?usage: stand-in-base.sh NAME}"
suite=bookworm
root="$(mktemp --directory)"
trap 'rm -rf "$root"' EXIT

echo "== Debian $suite with Python, by debootstrap"
debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata,python3,python3-venv \
    "$suite" "$root" "${MIRROR:-http://deb.debian.org/debian}" >"$root.log" \
    || { tail -n 20 "$root.log" >&2; exit 1; }
rm "$root.log"

echo "== headers, without the C library's that their package would bring"
chroot "$root" sh -ec '
    cd /tmp
    apt-get download -qq libpython3.11-dev
    dpkg-deb --fsys-tarfile libpython3.11-dev_*.deb | tar --extract --directory=/ ./usr/include
    rm libpython3.11-dev_*.deb'

echo "== pip in /usr/local, where the official image has it"
chroot "$root" sh -ec '
    python3 -m venv /tmp/seed
    site=$(python3 -c "import sysconfig; print(sysconfig.get_path(\"purelib\"))")
    mkdir -p "$site"
    cp -r /tmp/seed/lib/python3*/site-packages/pip* "$site"
    cp /tmp/seed/bin/pip3 /usr/local/bin/pip3
    sed -i "1s|.*|#!/usr/bin/python3|" /usr/local/bin/pip3
    rm -r /tmp/seed
    pip3 --version'

echo "== without what slim images leave out"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
    "$root"/var/log/* "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
tar --directory "$root" --create . | podman import --change 'CMD ["python3"]' - "$name"
podman images --filter "reference=$name" --format '{{.Repository}}:{{.Tag}} {{.Size}}'
