/**
 * Every way a peer can be wrong, once: the code a program can switch on, the alert the RFC asks for, and a sentence for people.
 * This is the only place where a cause is given an alert.
 */
export const PEER_FAULTS = {
  // Records
  'record.too_long': ['record_overflow', 'a record is longer than the limit'],
  'record.unknown_type': ['unexpected_message', 'a record has an unknown content type'],
  'record.not_tls': ['unexpected_message', 'the first bytes are not a TLS record'],
  'record.empty': ['unexpected_message', 'an empty record where the protocol forbids one'],
  'record.no_content_type': ['unexpected_message', 'a protected record holds padding only'],
  'record.bad_mac': ['bad_record_mac', 'a record could not be decrypted'],
  'record.interleaved': ['unexpected_message', 'another record type inside a fragmented handshake message'],
  'record.unexpected_type': ['unexpected_message', 'a record of this type is not allowed here'],
  'record.unexpected_change_cipher_spec': ['unexpected_message', 'a change_cipher_spec where none is allowed'],
  'record.not_aligned': [
    'unexpected_message',
    'handshake bytes follow in the same record after a message that changes keys',
  ],
  'record.too_many': ['unexpected_message', 'the peer went on with the same key past its usage limit'],
  'record.too_many_empty': ['unexpected_message', 'too many empty records in a row'],
  // Alerts
  'alert.malformed': ['decode_error', 'an alert is not exactly two bytes'],
  'alert.bad_level': ['illegal_parameter', 'an alert is neither a warning nor fatal'],
  'alert.too_many_warnings': ['unexpected_message', 'too many warning alerts'],
  // Any handshake message
  'handshake.malformed': ['decode_error', 'a handshake message cannot be parsed'],
  'handshake.too_long': ['illegal_parameter', 'a handshake message is longer than the limit'],
  'handshake.unknown_type': ['unexpected_message', 'a handshake message of an unknown type'],
  'handshake.unexpected_message': ['unexpected_message', 'a message that is not allowed in this state'],
  'handshake.finished_mismatch': ['decrypt_error', "the peer's Finished does not match the handshake"],
  'handshake.bad_signature': ['decrypt_error', "the peer's CertificateVerify signature is wrong"],
  'handshake.signature_scheme_not_offered': ['illegal_parameter', 'a signature scheme that was not offered'],
  'handshake.signature_scheme_wrong_for_key': [
    'illegal_parameter',
    'a signature scheme that does not fit the certificate key',
  ],
  'handshake.bad_key_share': ['illegal_parameter', 'a key share that is not a valid public key'],
  // Extensions
  'extension.duplicate': ['illegal_parameter', 'an extension appears twice in one message'],
  'extension.not_allowed_here': ['illegal_parameter', 'an extension that does not belong in this message'],
  'extension.not_requested': ['unsupported_extension', 'an extension that was not asked for'],
  'extension.bad_flags': ['illegal_parameter', 'flags with zero bytes at their end'],
  // ClientHello
  'client_hello.unsupported_version': ['protocol_version', 'the client does not offer TLS 1.3'],
  'client_hello.bad_legacy_version': ['protocol_version', 'legacy_version is not 0x0303'],
  'client_hello.bad_compression': ['illegal_parameter', 'legacy_compression_methods is not exactly the null method'],
  'client_hello.no_common_cipher_suite': ['handshake_failure', 'no cipher suite in common'],
  'client_hello.no_common_group': ['handshake_failure', 'no key exchange group in common'],
  'client_hello.no_usable_certificate': [
    'handshake_failure',
    'no certificate fits the signature algorithms of the client',
  ],
  'client_hello.unrecognized_name': ['unrecognized_name', 'the server has no certificate for this name'],
  'client_hello.no_application_protocol': ['no_application_protocol', 'no application protocol in common'],
  'client_hello.missing_extension': ['missing_extension', 'a mandatory extension is missing'],
  'client_hello.psk_not_last': ['illegal_parameter', 'pre_shared_key is not the last extension'],
  'client_hello.psk_binder_count': ['illegal_parameter', 'identities and binders differ in number'],
  'client_hello.bad_key_share': ['illegal_parameter', 'key_share and supported_groups contradict each other'],
  'client_hello.bad_binder': ['decrypt_error', 'a PSK binder is wrong'],
  'client_hello.unknown_psk': [
    'decrypt_error',
    'the client offers no PSK that is known here, and there is no certificate',
  ],
  'client_hello.changed_after_retry': ['illegal_parameter', 'the second ClientHello differs where it must not'],
  'client_hello.bad_cookie': ['illegal_parameter', 'the cookie is not the one that was given'],
  'client_hello.bad_record_size_limit': ['illegal_parameter', 'record_size_limit is below 64'],
  // ServerHello, HelloRetryRequest, EncryptedExtensions
  'server_hello.unsupported_version': ['protocol_version', 'the server does not speak TLS 1.3'],
  'server_hello.bad_selected_version': ['illegal_parameter', 'selected_version is not TLS 1.3'],
  'server_hello.downgrade': ['illegal_parameter', 'the random of the server says that the connection was downgraded'],
  'server_hello.bad_legacy_version': ['protocol_version', 'legacy_version is not 0x0303'],
  'server_hello.bad_session_id': ['illegal_parameter', 'legacy_session_id_echo differs from what was sent'],
  'server_hello.bad_compression': ['decode_error', 'legacy_compression_method is not null'],
  'server_hello.cipher_suite_not_offered': ['illegal_parameter', 'a cipher suite that was not offered'],
  'server_hello.cipher_suite_changed': ['illegal_parameter', 'another cipher suite than in HelloRetryRequest'],
  'server_hello.group_not_offered': ['illegal_parameter', 'a key share of a group that was not offered'],
  'server_hello.missing_extension': ['missing_extension', 'a mandatory extension is missing'],
  'server_hello.psk_not_offered': ['illegal_parameter', 'a PSK index that was not offered'],
  'server_hello.psk_without_key_share': [
    'illegal_parameter',
    'the server took a PSK without a key exchange, which was not offered',
  ],
  'server_hello.psk_hash_mismatch': ['illegal_parameter', 'the cipher suite does not have the hash of the chosen PSK'],
  'hello_retry_request.no_change': ['illegal_parameter', 'HelloRetryRequest asks for nothing new'],
  'encrypted_extensions.bad_alpn': ['illegal_parameter', 'an application protocol that was not offered'],
  'encrypted_extensions.bad_record_size_limit': [
    'illegal_parameter',
    'record_size_limit is below 64 or above the maximum',
  ],
  'encrypted_extensions.bad_early_data': [
    'illegal_parameter',
    'early data was accepted in a session that is not the one it was sent for',
  ],
  // Certificates
  'certificate.empty': ['decode_error', 'the server sent no certificate'],
  'certificate.required': ['certificate_required', 'a client certificate is required'],
  'certificate.bad_context': ['illegal_parameter', 'certificate_request_context is not what it must be'],
  'certificate.unparsable': ['decode_error', 'a certificate cannot be parsed'],
  'certificate.too_many': ['bad_certificate', 'a chain of more certificates than the limit allows'],
  'certificate.unsupported_key': ['unsupported_certificate', 'a certificate has a key of an unsupported kind'],
  'certificate.compression_not_offered': [
    'illegal_parameter',
    'a certificate compressed in a way that was not offered',
  ],
  'certificate.too_long_uncompressed': [
    'bad_certificate',
    'a compressed certificate is longer than the limit when uncompressed',
  ],
  'certificate.bad_compression': [
    'bad_certificate',
    'a compressed certificate does not give the length that it claims',
  ],
  'certificate_request.missing_signature_algorithms': ['missing_extension', 'signature_algorithms is missing'],
  // After the handshake
  'certificate_request.too_many': ['unexpected_message', 'more requests for a certificate than the limit allows'],
  'key_update.bad_value': ['illegal_parameter', 'request_update is neither 0 nor 1'],
  'key_update.too_many': ['unexpected_message', 'too many KeyUpdate messages'],
  'new_session_ticket.too_many': ['unexpected_message', 'more session tickets than the limit allows'],
  'new_session_ticket.bad_lifetime': ['illegal_parameter', 'ticket_lifetime is more than seven days'],
  'early_data.too_much': ['unexpected_message', 'more early data than the limit allows'],
  'connection.truncated': ['close_notify', 'the transport ended without close_notify'],
} as const;

/** Codes of {@link TlsAlertError}. `certificate.not_trusted`, `ticket.refused` and `local.failed` carry an alert chosen case by case. */
export type PeerFault = keyof typeof PEER_FAULTS | 'certificate.not_trusted' | 'ticket.refused' | 'local.failed';
