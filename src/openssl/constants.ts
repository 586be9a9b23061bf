/** Constants with OpenSSL's names and values. */

export const TLS1_3_VERSION = 0x0304;
export const TLS1_2_VERSION = 0x0303;

export const SSL_ERROR_NONE = 0;
export const SSL_ERROR_SSL = 1;
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_WANT_X509_LOOKUP = 4;
export const SSL_ERROR_SYSCALL = 5;
export const SSL_ERROR_ZERO_RETURN = 6;
export const SSL_ERROR_WANT_CONNECT = 7;
export const SSL_ERROR_WANT_ACCEPT = 8;
export const SSL_ERROR_WANT_ASYNC = 9;
export const SSL_ERROR_WANT_ASYNC_JOB = 10;
export const SSL_ERROR_WANT_CLIENT_HELLO_CB = 11;
export const SSL_ERROR_WANT_RETRY_VERIFY = 12;

export const SSL_NOTHING = 1;
export const SSL_WRITING = 2;
export const SSL_READING = 3;
export const SSL_X509_LOOKUP = 4;
export const SSL_ASYNC_PAUSED = 5;
export const SSL_CLIENT_HELLO_CB = 7;

export const SSL_SENT_SHUTDOWN = 1;
export const SSL_RECEIVED_SHUTDOWN = 2;

export const SSL_FILETYPE_PEM = 1;
export const SSL_FILETYPE_ASN1 = 2;

export const SSL_VERIFY_NONE = 0;
export const SSL_VERIFY_PEER = 1;
export const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;
export const SSL_VERIFY_CLIENT_ONCE = 4;
export const SSL_VERIFY_POST_HANDSHAKE = 8;

export const SSL_OP_NO_EXTENDED_MASTER_SECRET = 0x1;
export const SSL_OP_CLEANSE_PLAINTEXT = 0x2;
export const SSL_OP_IGNORE_UNEXPECTED_EOF = 0x80;
export const SSL_OP_ALLOW_NO_DHE_KEX = 0x400;
export const SSL_OP_NO_TICKET = 0x4000;
export const SSL_OP_NO_COMPRESSION = 0x20000;
export const SSL_OP_ENABLE_MIDDLEBOX_COMPAT = 0x100000;
export const SSL_OP_PRIORITIZE_CHACHA = 0x200000;
export const SSL_OP_CIPHER_SERVER_PREFERENCE = 0x400000;
export const SSL_OP_NO_ANTI_REPLAY = 0x1000000;
export const SSL_OP_NO_SSLv3 = 0x2000000;
export const SSL_OP_NO_TLSv1 = 0x4000000;
export const SSL_OP_NO_TLSv1_2 = 0x8000000;
export const SSL_OP_NO_TLSv1_1 = 0x10000000;
export const SSL_OP_NO_TLSv1_3 = 0x20000000;
export const SSL_OP_NO_RENEGOTIATION = 0x40000000;

export const SSL_MODE_ENABLE_PARTIAL_WRITE = 0x1;
export const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2;
export const SSL_MODE_AUTO_RETRY = 0x4;
export const SSL_MODE_RELEASE_BUFFERS = 0x10;
export const SSL_MODE_ASYNC = 0x100;

export const SSL_SESS_CACHE_OFF = 0;
export const SSL_SESS_CACHE_CLIENT = 0x1;
export const SSL_SESS_CACHE_SERVER = 0x2;
export const SSL_SESS_CACHE_BOTH = 0x3;
export const SSL_SESS_CACHE_NO_AUTO_CLEAR = 0x80;
export const SSL_SESS_CACHE_NO_INTERNAL_LOOKUP = 0x100;
export const SSL_SESS_CACHE_NO_INTERNAL_STORE = 0x200;
export const SSL_SESS_CACHE_NO_INTERNAL = 0x300;
export const SSL_SESSION_CACHE_MAX_SIZE_DEFAULT = 20_480;
export const SSL_MAX_SID_CTX_LENGTH = 32;

export const SSL_SESS_CACHE_UPDATE_TIME = 0x400;

export const SSL_TICKET_FATAL_ERR_MALLOC = 0;
export const SSL_TICKET_FATAL_ERR_OTHER = 1;
export const SSL_TICKET_NONE = 2;
export const SSL_TICKET_EMPTY = 3;
export const SSL_TICKET_NO_DECRYPT = 4;
export const SSL_TICKET_SUCCESS = 5;
export const SSL_TICKET_SUCCESS_RENEW = 6;
export const SSL_TICKET_RETURN_ABORT = 0;
export const SSL_TICKET_RETURN_IGNORE = 1;
export const SSL_TICKET_RETURN_IGNORE_RENEW = 2;
export const SSL_TICKET_RETURN_USE = 3;
export const SSL_TICKET_RETURN_USE_RENEW = 4;

export const SSL_CLIENT_HELLO_SUCCESS = 1;
export const SSL_CLIENT_HELLO_ERROR = 0;
export const SSL_CLIENT_HELLO_RETRY = -1;

export const SSL_CONF_FLAG_CMDLINE = 0x1;
export const SSL_CONF_FLAG_FILE = 0x2;
export const SSL_CONF_FLAG_CLIENT = 0x4;
export const SSL_CONF_FLAG_SERVER = 0x8;
export const SSL_CONF_FLAG_SHOW_ERRORS = 0x10;
export const SSL_CONF_FLAG_CERTIFICATE = 0x20;
export const SSL_CONF_FLAG_REQUIRE_PRIVATE = 0x40;
export const SSL_CONF_TYPE_UNKNOWN = 0;
export const SSL_CONF_TYPE_STRING = 1;
export const SSL_CONF_TYPE_FILE = 2;
export const SSL_CONF_TYPE_DIR = 3;
export const SSL_CONF_TYPE_NONE = 4;

export const SSL_READ_EARLY_DATA_ERROR = 0;
export const SSL_READ_EARLY_DATA_SUCCESS = 1;
export const SSL_READ_EARLY_DATA_FINISH = 2;
export const SSL_EARLY_DATA_NOT_SENT = 0;
export const SSL_EARLY_DATA_REJECTED = 1;
export const SSL_EARLY_DATA_ACCEPTED = 2;

export const SSL_KEY_UPDATE_NONE = -1;
export const SSL_KEY_UPDATE_NOT_REQUESTED = 0;
export const SSL_KEY_UPDATE_REQUESTED = 1;

export const SSL_ST_CONNECT = 0x1000;
export const SSL_ST_ACCEPT = 0x2000;
export const SSL_CB_LOOP = 0x01;
export const SSL_CB_EXIT = 0x02;
export const SSL_CB_READ = 0x04;
export const SSL_CB_WRITE = 0x08;
export const SSL_CB_ALERT = 0x4000;
export const SSL_CB_READ_ALERT = 0x4004;
export const SSL_CB_WRITE_ALERT = 0x4008;
export const SSL_CB_HANDSHAKE_START = 0x10;
export const SSL_CB_HANDSHAKE_DONE = 0x20;

export const SSL_TLSEXT_ERR_OK = 0;
export const SSL_TLSEXT_ERR_ALERT_WARNING = 1;
export const SSL_TLSEXT_ERR_ALERT_FATAL = 2;
export const SSL_TLSEXT_ERR_NOACK = 3;
export const TLSEXT_NAMETYPE_host_name = 0;
export const OPENSSL_NPN_NEGOTIATED = 1;
export const OPENSSL_NPN_NO_OVERLAP = 2;

export const X509_V_OK = 0;
export const X509_V_ERR_UNSPECIFIED = 1;
export const X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT = 2;
export const X509_V_ERR_CERT_SIGNATURE_FAILURE = 7;
export const X509_V_ERR_CERT_NOT_YET_VALID = 9;
export const X509_V_ERR_CERT_HAS_EXPIRED = 10;
export const X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT = 18;
export const X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN = 19;
export const X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20;
export const X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21;
export const X509_V_ERR_CERT_CHAIN_TOO_LONG = 22;
export const X509_V_ERR_PATH_LENGTH_EXCEEDED = 25;
export const X509_V_ERR_INVALID_PURPOSE = 26;
export const X509_V_ERR_CERT_REJECTED = 28;
export const X509_V_ERR_KEYUSAGE_NO_CERTSIGN = 32;
export const X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION = 34;
export const X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE = 39;
export const X509_V_ERR_INVALID_EXTENSION = 41;
export const X509_V_ERR_PERMITTED_VIOLATION = 47;
export const X509_V_ERR_EXCLUDED_VIOLATION = 48;
export const X509_V_ERR_APPLICATION_VERIFICATION = 50;
export const X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE = 51;
export const X509_V_ERR_HOSTNAME_MISMATCH = 62;
export const X509_V_ERR_EE_KEY_TOO_SMALL = 66;
export const X509_V_ERR_CA_KEY_TOO_SMALL = 67;
export const X509_V_ERR_CA_MD_TOO_WEAK = 68;
export const X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM = 76;
export const X509_V_ERR_INVALID_CA = 79;

export const ERR_LIB_SYS = 2;
export const ERR_LIB_EVP = 6;
export const ERR_LIB_PEM = 9;
export const ERR_LIB_X509 = 11;
export const ERR_LIB_ASN1 = 13;
export const ERR_LIB_SSL = 20;
export const ERR_LIB_BIO = 32;
export const ERR_R_SYS_LIB = 0x80002;
export const ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED = 0xc0101;
export const ERR_R_PASSED_NULL_PARAMETER = 0xc0102;
export const ERR_R_INTERNAL_ERROR = 0xc0103;
export const ERR_R_PASSED_INVALID_ARGUMENT = 0x80106;
