# The short front door.  The build itself is meson.build; what a target needs and
# the machine lacks is installed by tools/install-deps.sh.
export PATH := /usr/bin:$(PATH)
BUILD ?= build
DESTDIR ?=

.PHONY: tidy all test check clean asan clang format install demo graphs bench chaos kills

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	tools/install-deps.sh --build
	meson setup $(BUILD)

test:
	./test.sh

check: all # what needs no daemon: layers, circles, unit tests, simulator
	tools/check-layers.sh src
	BUILD=$(BUILD) tools/check-circles
	meson test -C $(BUILD) --print-errorlogs

graphs: # dependency graphs of other projects, every root through every way in
	./test.sh --graphs

big: all # chains and layers of up to 10,000 real processes, and what each call costs
	HERO_PROC_BUILD=$(BUILD) tests/big/run.py

chaos: all # twenty minutes of kills, crashes, floods, full disks; SEED=N
	HERO_PROC_BUILD=$(BUILD) tests/chaos/run --seed $(or $(SEED),1) --seconds 1200

kills: all # a thousand SIGKILLs of the server
	HERO_PROC_BUILD=$(BUILD) tests/chaos/run --seed $(or $(SEED),1) --kills 1000

nightly: # a million operations with faults in the simulator, under AddressSanitizer and UBSan
	tools/install-deps.sh --build --test
	tools/nightly.sh build-asan

asan: # unit tests and simulator under AddressSanitizer and UBSan
	tools/install-deps.sh --build --test
	tools/sanitize.sh build-asan

clang: # the other compiler, the same warnings, all of them errors
	tools/install-deps.sh --build --test
	[ -f build-clang/build.ninja ] || CC=clang CXX=clang++ meson setup build-clang
	ninja -C build-clang

tidy: all # clang-tidy 14 over src/, a file that passed is not looked at again; the first time takes long
	tools/install-deps.sh --build --test
	BUILD=$(BUILD) tools/tidy.sh

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

install: all
	meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(DESTDIR))

bench: all # beside the supervisors found on PATH; bench/README.md
	HERO_PROC_BUILD=$(BUILD) bench/run --rounds 3 --out $(BUILD)/bench.jsonl --report docs/benchmarks.md

demo:
	./demo.sh

clean:
	rm -rf build build-asan build-clang
