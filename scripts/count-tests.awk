# SPDX-License-Identifier: Apache-2.0
# Counts test cases in Meson's testlog.txt.  cmocka prints lines for each case to standard output, and tests/cli/run.sh uses the
# same form.  A case that began and has no outcome has failed: its set-up failed, or the program died.  A program that fails without
# naming a case has failed too.
#
#     awk -v code=EXIT_CODE_OF_MESON -f count-tests.awk testlog.txt

function close_case() {
    if (running != "")
        fail(running)
    running = ""
}

function fail(name) {
    failed++
    failed_here++
    failures[failed] = program ": " name
}

function close_program() {
    close_case()
    if (program != "" && result == "exit status 77")
        skip("the whole program", remark)
    else if (program != "" && result != "" && result != "exit status 0" && !failed_here)
        fail(result)
    program = result = remark = section = ""
    failed_here = 0
}

function skip(name, reason) {
    skipped++
    sub(/^skipped: /, "", reason)
    skips[skipped] = program ": " name " (" (reason == "" ? "no reason given" : reason) ")"
}

/^=+ [0-9]+\/[0-9]+ =+$/          { close_program(); section = "head"; next }
section == "head" && /^test: /    { program = $0; sub(/^test: +(dinopatch:)?/, "", program); next }
section == "head" && /^result: /  { result = $0; sub(/^result: +/, "", result); next }
/^-+ stdout -+$/                  { section = "stdout"; next }
/^-+ stderr -+$/                  { section = "stderr"; next }
section != "stdout"               { next }
/^\[ RUN      \] /                { close_case(); running = substr($0, 14); remark = ""; next }
/^\[       OK \] /                { passed++; running = ""; next }
/^\[  FAILED  \] /                { fail(substr($0, 14)); running = ""; next }
/^\[  SKIPPED \] /                { skip(substr($0, 14), remark); running = ""; next }
                                  { remark = $0 }

END {
    close_program()
    if (code && !failed) {
        failed++
        failures[failed] = "meson test ended with exit status " code
    }
    for (i = 1; i <= skipped; i++)
        print "skipped: " skips[i]
    for (i = 1; i <= failed; i++)
        print "FAILED: " failures[i]
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit failed > 0 || passed == 0
}
