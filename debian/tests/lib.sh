# For the tests of the package: lines of TAP, and a few questions. To be read by sh.
export LC_ALL=C
tests=0
failed=0

# Runs a command and says how it went: ok TEXT COMMAND...
ok() {
    text=$1
    shift
    tests=$((tests + 1))
    if "$@" >/tmp/selvage-test.out 2>&1; then
        echo "ok $tests - $text"
    else
        echo "not ok $tests - $text"
        sed 's/^/# /' /tmp/selvage-test.out
        failed=$((failed + 1))
    fi
}

# The same for one that has to fail.
fails() {
    text=$1
    shift
    ok "$text" not "$@"
}

# Runs a command; true where it is false.
not() {
    ! "$@"
}

# The status of a request.
status_of() {
    curl -s -o /dev/null -m 10 -w '%{http_code}' "$@"
}

# Does a request have that status? answers STATUS URL...
answers() {
    wanted=$1
    shift
    got=$(status_of "$@")
    [ "$got" = "$wanted" ] || { echo "$* answers $got"; return 1; }
}

# Waits until a command is true, 30 s at most.
until_true() {
    left=300
    while ! "$@" >/tmp/selvage-test.try 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { cat /tmp/selvage-test.try; return 1; }
        sleep 0.1
    done
}

# Does a command print that line? says PATTERN COMMAND...
says() {
    pattern=$1
    shift
    "$@" 2>&1 | tee /tmp/selvage-test.says | grep -q -e "$pattern" && return 0
    cat /tmp/selvage-test.says
    return 1
}

# What the error log has got since this file was read.
logged() {
    tail -c "+$((log_began + 1))" /var/log/selvage/error.log
}
log_began=$(stat -c %s /var/log/selvage/error.log 2>/dev/null || echo 0)

# A property of the unit.
unit() {
    systemctl show -P "$1" selvage.service
}

# Is a property of the unit like that? unit_is NAME VALUE
unit_is() {
    value=$(unit "$1")
    [ "$value" = "$2" ] || { echo "$1 is $value"; return 1; }
}

# The end: the plan, and the exit status.
done_testing() {
    echo "1..$tests"
    [ "$failed" -eq 0 ]
}
