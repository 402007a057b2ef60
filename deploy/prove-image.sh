#!/usr/bin/env bash
# Builds both images and proves that they work with as few rights as can be: a numeric user, no
# capability, no network, a root that cannot be written to, only /tmp and the data volume writable.
# The training image simulates a retailer, trains and loads; the serving image serves that release.
#
#     deploy/prove-image.sh                    with docker and the Dockerfile's own base
#     ENGINE=podman BASE=NAME deploy/prove-image.sh
#
# BUILD_OPTIONS and RUN_OPTIONS are handed to `build` and to every `run`. Nothing is left running.
set -euo pipefail
cd "$(dirname "$0")/.."

read -r -a engine <<<"${ENGINE:-docker}"
read -r -a build_options <<<"${BUILD_OPTIONS:-}"
read -r -a run_options <<<"${RUN_OPTIONS:-}"
[ -z "${BASE:-}" ] || build_options+=(--build-arg "BASE=$BASE")

name="throughline-proof-$$"
log="$(mktemp)"
clock=2026-03-01T09:00:00Z # where the simulated data ends
hardened=(
    --read-only --tmpfs /tmp --volume "$name:/var/lib/throughline"
    --cap-drop ALL --security-opt no-new-privileges --network none
)

say() { printf '\n== %s\n' "$*"; }

cleanup() {
    "${engine[@]}" rm --force --volumes "$name" >/dev/null 2>&1 || true
    "${engine[@]}" volume rm --force "$name" >/dev/null 2>&1 || true
    rm -f "$log"
}
trap cleanup EXIT

image() { # TARGET: the name of its image
    echo "localhost/throughline:$1"
}

build() { # TARGET
    say "build $1"
    local began=$SECONDS
    "${engine[@]}" build "${build_options[@]}" --target "$1" --tag "$(image "$1")" . >"$log" 2>&1 \
        || { tail -n 40 "$log" >&2; exit 1; }
    echo "$((SECONDS - began)) s, $("${engine[@]}" image inspect --format '{{.Size}}' "$(image "$1")") bytes"
}

training() { # ARGUMENTS of throughline, in the training image
    echo "\$ throughline $*"
    "${engine[@]}" run --rm "${hardened[@]}" "${run_options[@]}" "$(image train)" "$@"
}

inside() { # COMMAND in the container that serves
    echo "\$ $*"
    "${engine[@]}" exec "$name" "$@"
}

build train
build serve

say "what the serving image weighs, by package"
"${engine[@]}" run --rm --interactive --network none "${run_options[@]}" \
    --entrypoint python "$(image serve)" - <deploy/weights.py

say "train, without network and on a read-only root"
training simulate --out data/simulated --customers 60 --items 60 --days 60
training train data/simulated >"$log"
head -n 1 "$log"
tail -n 1 "$log"
training releases promote "$(grep -oE '[0-9a-f]{64}' "$log" | tail -n 1)"
training load data/simulated

say "serve, likewise"
"${engine[@]}" run --detach --name "$name" "${hardened[@]}" "${run_options[@]}" \
    "$(image serve)" serve --clock "$clock" >/dev/null
began=$SECONDS
until "${engine[@]}" exec "$name" throughline health >/dev/null 2>&1; do
    [ $((SECONDS - began)) -lt 60 ] || { "${engine[@]}" logs "$name" >&2; exit 1; }
    sleep 0.5
done
echo "healthy after $((SECONDS - began)) s"
inside throughline health
inside throughline recommend --id loyalty:nobody --channel web --count 3

say "nothing is compiled at its start"
"${engine[@]}" exec --interactive "$name" python - <deploy/compiled.py

say "what it may do"
"${engine[@]}" exec --interactive "$name" python - <deploy/rights.py

say "stop with SIGTERM"
"${engine[@]}" stop --time 20 "$name" >/dev/null
"${engine[@]}" logs "$name" 2>&1 | tail -n 3
code="$("${engine[@]}" inspect --format '{{.State.ExitCode}}' "$name")"
echo "exit code $code"
[ "$code" -eq 0 ]
