/*
 * about.c - what this program was built from, and where it runs.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "proc/about.h"

#include "base/check.h"
#include "base/log.h"
#include "core/version.h"

#include <ev.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <pcre2.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#ifndef SELVAGE_CONFIGURE_ARGS
#define SELVAGE_CONFIGURE_ARGS ""
#endif

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

void about_show(FILE *out)
{
    const char *running = OpenSSL_version(OPENSSL_VERSION);
    char pcre2[64] = "unknown";

    /* Its length was asked for by the manual's 24 characters and then some. */
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) < (int)sizeof pcre2)
        pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    fprintf(out, "built by %s\n", COMPILER);
    fprintf(out, "built with %s", OPENSSL_VERSION_TEXT);
    if (strcmp(running, OPENSSL_VERSION_TEXT) != 0)
        fprintf(out, " (running with %s)", running);
    fprintf(out, "\nbuilt with libev %d.%d", EV_VERSION_MAJOR, EV_VERSION_MINOR);
    if (ev_version_major() != EV_VERSION_MAJOR || ev_version_minor() != EV_VERSION_MINOR)
        fprintf(out, " (running with %d.%d)", ev_version_major(), ev_version_minor());
    fprintf(out, "\nbuilt with PCRE2 %d.%d (running with %s)\n", PCRE2_MAJOR, PCRE2_MINOR, pcre2);
    fprintf(out, "module abi: %d.%d\n", SLV_ABI_MAJOR, SLV_ABI_MINOR);
    fprintf(out, "configure arguments:%s%s\n", *SELVAGE_CONFIGURE_ARGS ? " " : "",
            SELVAGE_CONFIGURE_ARGS);
}

void about_log(void)
{
    struct utsname host;
    struct rlimit files;

    log_notice(0, "selvage/%s", SELVAGE_VERSION);
    if (uname(&host) == 0)
        log_notice(0, "OS: %s %s", host.sysname, host.release);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        log_notice(0, "getrlimit(RLIMIT_NOFILE): %llu:%llu", (unsigned long long)files.rlim_cur,
                   (unsigned long long)files.rlim_max);
}
