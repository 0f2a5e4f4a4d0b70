/*
 * tls_text.h - what can be asked about a connection that is encrypted: the variables $ssl_*. One
 * line each: TLS_TEXT_name, the variable without "ssl_".
 */
#ifndef SLV_TLS_TEXT_H
#define SLV_TLS_TEXT_H

#define TLS_TEXTS(X) \
    X(PROTOCOL,            protocol) \
    X(CIPHER,              cipher) \
    X(CIPHERS,             ciphers) \
    X(CURVE,               curve) \
    X(CURVES,              curves) \
    X(SERVER_NAME,         server_name) \
    X(ALPN,                alpn_protocol) \
    X(SESSION_ID,          session_id) \
    X(SESSION_REUSED,      session_reused) \
    X(EARLY_DATA,          early_data) \
    X(CLIENT_VERIFY,       client_verify) \
    X(CLIENT_S_DN,         client_s_dn) \
    X(CLIENT_I_DN,         client_i_dn) \
    X(CLIENT_SERIAL,       client_serial) \
    X(CLIENT_FINGERPRINT,  client_fingerprint) \
    X(CLIENT_CERT,         client_cert) \
    X(CLIENT_RAW_CERT,     client_raw_cert) \
    X(CLIENT_ESCAPED_CERT, client_escaped_cert) \
    X(CLIENT_V_START,      client_v_start) \
    X(CLIENT_V_END,        client_v_end) \
    X(CLIENT_V_REMAIN,     client_v_remain)

enum tls_text {
#define X(id, name) TLS_TEXT_##id,
    TLS_TEXTS(X)
#undef X
    TLS_TEXT_COUNT
};

#endif
