/** Length of the header of a record. @spec rfc9846#section-5.1 */
export const RECORD_HEADER_LENGTH = 5;

/** TLSPlaintext.length at most. @spec rfc9846#section-5.1 */
export const MAX_PLAINTEXT_LENGTH: number = 2 ** 14;

/** TLSCiphertext.length at most. @spec rfc9846#section-5.2 */
export const MAX_CIPHERTEXT_LENGTH: number = MAX_PLAINTEXT_LENGTH + 256;
