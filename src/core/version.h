/*
 * version.h - what configure decided: the version and the places of files.
 */
#ifndef SLV_VERSION_H
#define SLV_VERSION_H

#ifndef SELVAGE_VERSION
#define SELVAGE_VERSION "0.1.0"
#endif

/* Below these the files of a configuration lie where it names them by a relative path. */
#ifndef SELVAGE_PREFIX
#define SELVAGE_PREFIX "/usr/local/selvage"
#endif
#ifndef SELVAGE_CONF_PATH
#define SELVAGE_CONF_PATH "conf/selvage.conf"
#endif
#ifndef SELVAGE_CACHE_PATH
#define SELVAGE_CACHE_PATH "cache"
#endif
#ifndef SELVAGE_PID_PATH
#define SELVAGE_PID_PATH "logs/selvage.pid"
#endif
#ifndef SELVAGE_ERROR_LOG_PATH
#define SELVAGE_ERROR_LOG_PATH "logs/error.log"
#endif
#ifndef SELVAGE_HTTP_LOG_PATH
#define SELVAGE_HTTP_LOG_PATH "logs/access.log"
#endif
#ifndef SELVAGE_MODULE_DIR
#define SELVAGE_MODULE_DIR "modules"
#endif

#endif
