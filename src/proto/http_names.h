/* SPDX-License-Identifier: Apache-2.0
 *
 * The header field names that have an id: X(ID, "name"). A name earns one when a filter or the
 * codec asks for it on every request; all others are told apart by their text. Adding one means
 * running script/header-hash again (a test fails otherwise); the order below is no format, nothing
 * stores ids.
 */
#ifndef PROTO_HTTP_NAMES_H
#define PROTO_HTTP_NAMES_H

/* In lower case. The first group, up to UPGRADE, is what a codec itself has to look at. */
#define HTTP_HEADER_LIST(X)                                                                        \
    X(HOST, "host")                                                                                \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(CONNECTION, "connection")                                                                    \
    X(EXPECT, "expect")                                                                            \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                    \
    X(TE, "te")                                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(HTTP2_SETTINGS, "http2-settings")                                                            \
    X(UPGRADE, "upgrade")                                                                          \
    X(ACCEPT, "accept")                                                                            \
    X(ACCEPT_ENCODING, "accept-encoding")                                                          \
    X(ACCEPT_LANGUAGE, "accept-language")                                                          \
    X(ACCEPT_RANGES, "accept-ranges")                                                              \
    X(ACCESS_CONTROL_ALLOW_ORIGIN, "access-control-allow-origin")                                  \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method")                              \
    X(AGE, "age")                                                                                  \
    X(ALLOW, "allow")                                                                              \
    X(ALT_SVC, "alt-svc")                                                                          \
    X(AUTHORIZATION, "authorization")                                                              \
    X(CACHE_CONTROL, "cache-control")                                                              \
    X(CLIENT_CERT, "client-cert")                                                                  \
    X(CLIENT_CERT_CHAIN, "client-cert-chain")                                                      \
    X(CONTENT_DISPOSITION, "content-disposition")                                                  \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_LANGUAGE, "content-language")                                                        \
    X(CONTENT_LOCATION, "content-location")                                                        \
    X(CONTENT_RANGE, "content-range")                                                              \
    X(CONTENT_SECURITY_POLICY, "content-security-policy")                                          \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(COOKIE, "cookie")                                                                            \
    X(DATE, "date")                                                                                \
    X(ETAG, "etag")                                                                                \
    X(EXPIRES, "expires")                                                                          \
    X(FORWARDED, "forwarded")                                                                      \
    X(IDEMPOTENCY_KEY, "idempotency-key")                                                          \
    X(IF_MATCH, "if-match")                                                                        \
    X(IF_MODIFIED_SINCE, "if-modified-since")                                                      \
    X(IF_NONE_MATCH, "if-none-match")                                                              \
    X(IF_RANGE, "if-range")                                                                        \
    X(IF_UNMODIFIED_SINCE, "if-unmodified-since")                                                  \
    X(LAST_EVENT_ID, "last-event-id")                                                              \
    X(LAST_MODIFIED, "last-modified")                                                              \
    X(LINK, "link")                                                                                \
    X(LOCATION, "location")                                                                        \
    X(MAX_FORWARDS, "max-forwards")                                                                \
    X(ORIGIN, "origin")                                                                            \
    X(PRAGMA, "pragma")                                                                            \
    X(RANGE, "range")                                                                              \
    X(RATELIMIT, "ratelimit")                                                                      \
    X(RATELIMIT_POLICY, "ratelimit-policy")                                                        \
    X(REFERER, "referer")                                                                          \
    X(REFERRER_POLICY, "referrer-policy")                                                          \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(SEC_FETCH_SITE, "sec-fetch-site")                                                            \
    X(SEC_WEBSOCKET_ACCEPT, "sec-websocket-accept")                                                \
    X(SEC_WEBSOCKET_KEY, "sec-websocket-key")                                                      \
    X(SERVER, "server")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(STRICT_TRANSPORT_SECURITY, "strict-transport-security")                                      \
    X(TRACEPARENT, "traceparent")                                                                  \
    X(TRACESTATE, "tracestate")                                                                    \
    X(USER_AGENT, "user-agent")                                                                    \
    X(VARY, "vary")                                                                                \
    X(VIA, "via")                                                                                  \
    X(WWW_AUTHENTICATE, "www-authenticate")                                                        \
    X(X_CONTENT_TYPE_OPTIONS, "x-content-type-options")                                            \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_FORWARDED_PORT, "x-forwarded-port")                                                        \
    X(X_FORWARDED_PREFIX, "x-forwarded-prefix")                                                    \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_FRAME_OPTIONS, "x-frame-options")                                                          \
    X(X_MUELLE_REPLICA, "x-muelle-replica")                                                        \
    X(X_REAL_IP, "x-real-ip")                                                                      \
    X(X_REQUEST_ID, "x-request-id")                                                                \
    X(X_REQUESTED_WITH, "x-requested-with")

#endif
