# SPDX-License-Identifier: Apache-2.0
# Targets for Meson; you can use meson and ninja directly instead.  "make help" lists the targets.
#
#     BUILD     build folder                               build
#     CC        compiler, if given on the command line     Meson's choice
#     PREFIX    folder of "make install"                   /usr/local
#     DESTDIR   prefix of PREFIX, for packagers
#     WERROR    1: warnings are errors
#     MESON_OPTIONS   options of "meson setup"
#     TEST      options of "meson test", for example TEST='--suite unit'
#     TIME      seconds per target of "make fuzz"          60

BUILD ?= build
PREFIX ?= /usr/local
WERROR ?= 0
MESON_OPTIONS ?=
TEST ?=
TIME ?= 60
DEPS ?= build

ifneq ($(filter-out default undefined,$(origin CC)),)
export CC
else
unexport CC
endif

werror := $(if $(filter 1 true yes,$(WERROR)),true,false)
# A default of meson.build; build folders that are older than this default do not have it.
here = -Dpkgconfig.relocatable=true
options = --buildtype=release -Dwerror=$(werror) '-Dprefix=$(PREFIX)' $(here) $(MESON_OPTIONS)
sanitizer_options = --buildtype=debugoptimized -Dwerror=$(werror) -Db_lundef=false

.PHONY: all deps install uninstall test demo sanitize tsan lint valgrind fuzz fuzz-coverage kills fault coverage mutation abi wheel deb reproducible clean help
.NOTPARALLEL:

all: ## build the library and the program: build/dinopatch
	@scripts/deps.sh --check
	@scripts/configure.sh $(BUILD) $(options)
	@ninja -C $(BUILD)

deps: ## install the Debian packages that the build needs (scripts/debian-packages.txt)
	@scripts/deps.sh $(DEPS)

install: all ## install below PREFIX
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild

uninstall: ## remove the files of "make install"
	@ninja -C $(BUILD) uninstall

test: deps all ## install packages, build, run every test
	@scripts/test-venv.sh
	@scripts/test.sh $(BUILD) $(TEST)

demo: deps all ## install packages, build, draw two data sets, find the defects in them
	@BUILD=$(BUILD) scripts/demo.sh

sanitize: deps ## run every test under the address and undefined-behaviour sanitizers
	@scripts/configure.sh build-asan $(sanitizer_options) -Db_sanitize=address,undefined
	@ninja -C build-asan
	@scripts/test.sh build-asan --timeout-multiplier 5 $(TEST)

tsan: deps ## run every test under the thread sanitizer
	@scripts/configure.sh build-tsan $(sanitizer_options) -Db_sanitize=thread
	@ninja -C build-tsan
	@OMP_NUM_THREADS=1 CASE_SECONDS=900 scripts/test.sh build-tsan --timeout-multiplier 10 $(TEST)

fuzz: deps ## run every fuzz target for TIME seconds; findings are in build-fuzz/fuzz
	@scripts/deps.sh fuzz
	@CC=clang scripts/configure.sh build-fuzz --buildtype=plain -Doptimization=1 -Dfuzzing=true -Db_lundef=false
	@ninja -C build-fuzz $(foreach t,safetensors bank json picture tar options metrics http,tests/fuzz/fuzz_$(t))
	@scripts/fuzz.sh build-fuzz $(TIME)

fuzz-coverage: deps ## print the lines that the fuzz inputs reach, including those of an earlier "make fuzz"
	@scripts/configure.sh build-coverage --buildtype=debug -Doptimization=1 -Db_coverage=true -Dc_args=-fprofile-update=atomic
	@ninja -C build-coverage $(foreach t,safetensors bank json picture tar options metrics http,tests/fuzz/fuzz_$(t))
	@scripts/fuzz-coverage.sh build-coverage

fault: all ## make each allocation and each write of each command fail in turn (RUNS=N: at most N of each); change files while they are read
	@set -e; program="$(BUILD)/dinopatch $(BUILD)/demo/dinopatch-demo-render tests/golden/vit/micro_reg4.hub.safetensors"; \
	$(BUILD)/tests/fault/fault_library tests/golden/vit/micro_reg4.hub.safetensors tests/golden/align --runs $(or $(RUNS),0); \
	$(BUILD)/tests/fault/fault_changes $$program $(BUILD)/tests/fault/fault_shim.so; \
	$(BUILD)/tests/fault/fault_injections $$program $(BUILD)/tests/fault/fault_shim.so --runs $(or $(RUNS),0)

kills: all ## kill processes at KILLS random moments (1000) drawn with SEED (1), and check that nothing is lost
	@$(BUILD)/tests/fault/fault_kills $(BUILD)/dinopatch $(BUILD)/demo/dinopatch-demo-render \
	    tests/golden/vit/micro_reg4.hub.safetensors --kills $(or $(KILLS),1000) --seed $(or $(SEED),1)

lint: ## check the code with gcc -fanalyzer, clang-tidy and cppcheck (LINTERS='gcc tidy cppcheck')
	@scripts/deps.sh build ci
	@scripts/lint.sh $(LINTERS)

valgrind: deps ## run fit, inspect and eval under valgrind's memcheck
	@scripts/deps.sh ci
	@scripts/configure.sh build-valgrind --buildtype=debugoptimized -Dtests=false -Dwerror=$(werror)
	@ninja -C build-valgrind
	@scripts/valgrind.sh build-valgrind

coverage: deps ## print the lines and branches of the libraries that the tests reach; fail below 90 % of the lines
	@scripts/configure.sh build-coverage --buildtype=debug -Doptimization=1 -Db_coverage=true -Dc_args=-fprofile-update=atomic
	@ninja -C build-coverage
	@scripts/coverage.sh build-coverage $(TEST)

mutation: deps ## make MUTANTS (300) changes of the scoring and metrics code drawn with SEED (1), count those that the unit tests notice
	@tests/mutation/run.sh $(or $(MUTANTS),300) $(or $(SEED),1)

abi: all ## write the lists of the binary interfaces again: tests/abi/
	@ACCEPT=1 tests/abi/run.sh . $(BUILD)/src/libdinopatch.so abi.txt dinopatch.h dinopatch/edit.h dinopatch/eval.h dinopatch/experimental.h
	@ACCEPT=1 tests/abi/run.sh . $(BUILD)/io/libdinopatch-io.so abi-io.txt dinopatch/io.h dinopatch/draw.h

wheel: ## make a wheel of the Python package with all libraries inside, and try it where none of them is: dist/
	@scripts/deps.sh build wheel
	@scripts/wheel.sh

deb: ## make the Debian packages of the committed tree, checked by lintian: dist/
	@scripts/deps.sh build deb
	@scripts/deb.sh

reproducible: ## build the Debian packages, the wheel and the files of "make install" twice in other folders, and compare the bytes
	@scripts/deps.sh build deb wheel
	@scripts/reproducible.sh

clean: ## remove the build folders and the output of the demo
	rm -rf build build-asan build-tsan build-fuzz build-lint build-valgrind build-coverage build-mutation build-clang build-ci build-ci-clang demo-out dist

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile
	@sed -n '4,11s/^# \{0,4\}//p' Makefile
