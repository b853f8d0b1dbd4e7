#!/usr/bin/env bash
# demo.sh - a real stack started by four different ways in, each time in the right order.
#
#   ./demo.sh          installs what is missing, builds, shows; exit 0 only if all was in order
#
# Everything happens in a temporary folder with a supervisor of its own; nothing else on
# the machine is touched, and nothing is left.
set -uo pipefail
export PATH=/usr/bin:$PATH
cd "$(dirname "$0")" || exit 1
top=$PWD

bold='' green='' red='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }
shown() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; }
die() { printf '%sdemo.sh: %s%s\n' "$red" "$*" "$plain" >&2; exit 1; }

# ---- build -------------------------------------------------------------------------
BUILD=${BUILD:-build}
tools/install-deps.sh --build || exit 1
work=$(mktemp -d /tmp/hero-demo-XXXXXX)
pids=()
leave() { # by pid only: what this script started, if it is still there
	local pid
	for pid in "${pids[@]:-}"; do
		[ -n "$pid" ] && kill "$pid" 2>/dev/null
	done
	for pid in "${pids[@]:-}"; do
		[ -n "$pid" ] && timeout 10 tail --pid="$pid" -s 0.05 -f /dev/null
	done
	rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM

note "building in $BUILD (about a minute the first time)"
{ [ -f "$BUILD/build.ninja" ] || meson setup "$BUILD"; } >"$work/build.log" 2>&1 &&
	ninja -C "$BUILD" >>"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; die "the build failed"; }

programs=(hero_proc hero_proc_server hero_proc_keeper hero_db hero_proxy hero_collab_server hero_collab_web)
mkdir "$work/bin"
for program in "${programs[@]}"; do
	file=$(find "$BUILD" -name "$program" -type f -perm -u+x | head -1)
	[ -n "$file" ] || die "$program was not built"
	cp "$file" "$work/bin/"
done

# ---- a fresh, empty supervisor -----------------------------------------------------
needs=(hero_collab_web:hero_collab_server hero_collab_web:hero_proxy hero_collab_server:hero_db)
verdicts=()

world() { # a new root: no definitions, no state, no daemon
	root=$work/$1
	mkdir -p "$root/var" "$root/s"
	ln -s "$work/bin" "$root/bin"
	export PATH="$work/bin:/usr/bin:/bin" PATH_ROOT=$root PATH_VAR=$root/var HERO_SOCKET_DIR=$root/s
	export HERO_TRACE=$root/diary HERO_DELAY_MS=30 HERO_HOLD_HERO_PROXY=$root/hold
	socket=$root/s/hero_proc/rpc.sock
	: >"$HERO_TRACE"
}
rpc() { "$top/tools/rpc.py" "$socket" "$@"; }
until_true() { # SECONDS COMMAND...: asks every 20 ms
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || die "not in time: $*"
		sleep 0.02
	done
}
wrote() { grep -q "^$1 [0-9]* $2 " "$HERO_TRACE"; }
remember() { # the pids of server and keeper, to clean up by
	local pid
	for pid in $(rpc system.info | sed -n 's/.*"\(pid\|keeper_pid\|keeper\)": \([0-9]*\).*/\2/p'); do
		pids+=("$pid")
	done
}
daemon() {
	hero_proc_server --socket "$socket" --log-level warn </dev/null >"$root/daemon.log" 2>&1 &
	pids+=("$!")
	until_true 10 rpc system.ping
}
check() { # start|stop
	if "$top/tools/timetable.py" "$1" "$HERO_TRACE" "${needs[@]}"; then
		printf '  %sin order%s\n' "$green" "$plain"
	else
		printf '  %sOUT OF ORDER%s\n' "$red" "$plain"
		verdicts+=("$way: $1")
	fi
}
finish() { # shows what happened, stops everything, shows that too
	local pid
	until_true 20 wrote hero_collab_web ready
	remember
	check start
	shown "hero_proc shutdown"
	hero_proc shutdown >"$root/shutdown.log" 2>&1 || { cat "$root/shutdown.log"; verdicts+=("$way: shutdown"); }
	for pid in "${pids[@]}"; do
		timeout 20 tail --pid="$pid" -s 0.05 -f /dev/null || verdicts+=("$way: pid $pid is still there")
	done
	pids=()
	check stop
}

way="by manifest"
title "(a) $way: the whole folder"
world a
shown "hero_proc up examples/hero"
hero_proc up "$top/examples/hero" || verdicts+=("$way: up")
finish

way="by its own --start"
title "(b) $way: only the web part is started; the manifests of the others are registered, nothing runs"
world b
daemon
for name in hero_db hero_proxy; do
	shown "hero_proc service register examples/hero/$name/service.toml"
	hero_proc service register "$top/examples/hero/$name/service.toml" || verdicts+=("$way: register")
done
shown "hero_collab_web --start"
hero_collab_web --start || verdicts+=("$way: --start")
finish

way="by raw JSON-RPC"
title "(c) $way: service.define four times, then service.start of the web part; hero_proxy is held back for a while"
world c
touch "$HERO_HOLD_HERO_PROXY"
daemon
shown "rpc.py service.define ...    # each entry of examples/hero/stack.json"
python3 - "$top/examples/hero/stack.json" >"$root/stack" <<'PY'
import json, sys
for service in json.load(open(sys.argv[1])):
    print(json.dumps({"service": service}))
PY
while read -r definition; do
	rpc service.define "$definition" >/dev/null || verdicts+=("$way: define")
done <"$root/stack"
shown "rpc.py service.start '{\"name\": \"hero_collab_web\", \"wait\": false}'"
rpc service.start '{"name": "hero_collab_web", "wait": false}' >/dev/null || verdicts+=("$way: start")
until_true 10 wrote hero_collab_server ready
shown "hero_proc why hero_collab_web"
hero_proc why hero_collab_web | tee "$root/why"
grep -q hero_proxy "$root/why" || verdicts+=("$way: why does not name hero_proxy")
wrote hero_collab_web main && verdicts+=("$way: executed while hero_proxy is held back")
note "# hero_proxy is let go"
rm "$HERO_HOLD_HERO_PROXY"
finish

way="by run.submit"
title "(d) $way: an ad-hoc run of the web program; everything is registered, nothing runs"
world d
daemon
shown "hero_proc service register examples/hero/*/service.toml"
hero_proc service register "$top"/examples/hero/*/service.toml || verdicts+=("$way: register")
shown "rpc.py run.submit '{\"actions\": [{\"action\": \"hero_collab_web\"}]}'"
rpc run.submit '{"actions": [{"action": "hero_collab_web"}], "wait": false}' >/dev/null || verdicts+=("$way: submit")
finish

title "verdict"
if [ ${#verdicts[@]} -eq 0 ]; then
	printf '%sfour ways in, one order: nobody was executed before what it needs could answer,\n' "$green"
	printf 'and everybody was gone before what it needs was asked to go.%s\n' "$plain"
	exit 0
fi
printf '%swrong: %s%s\n' "$red" "${verdicts[@]}" "$plain"
exit 1
