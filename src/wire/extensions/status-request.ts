import { DecodeError } from '../reader.ts';
import { ExtensionType } from '../registry.ts';
import { type ExtensionCodec, emptyExtension } from './codec.ts';

const OCSP = 1;

/**
 * In ClientHello: the client wants an OCSP response. `undefined` when it wants a status of another type.
 *
 * ```
 * struct {
 *     CertificateStatusType status_type;
 *     select (status_type) {
 *         case ocsp: OCSPStatusRequest;
 *     } request;
 * } CertificateStatusRequest;
 *
 * enum { ocsp(1), (255) } CertificateStatusType;
 *
 * struct {
 *     ResponderID responder_id_list<0..2^16-1>;
 *     Extensions  request_extensions;
 * } OCSPStatusRequest;
 *
 * opaque ResponderID<1..2^16-1>;
 * opaque Extensions<0..2^16-1>;
 * ```
 * @spec rfc6066#section-8
 */
export const statusRequest: ExtensionCodec<true> = {
  type: ExtensionType.status_request,

  read(r) {
    if (r.u8() !== OCSP) {
      r.rest();
      return undefined;
    }
    const responderIds = r.vector(2, 0, 0xffff);
    while (responderIds.left > 0) responderIds.opaque(2, 1, 0xffff);
    r.opaque(2, 0, 0xffff);
    return true;
  },

  write(w) {
    w.u8(OCSP).u16(0).u16(0);
  },
};

/**
 * In CertificateRequest the request is empty.
 * @spec rfc9846#section-4.5.1.1
 */
export const statusRequestEmpty: ExtensionCodec<true> = emptyExtension(ExtensionType.status_request);

/**
 * In a CertificateEntry: the OCSP response in DER.
 *
 * ```
 * struct {
 *     CertificateStatusType status_type;
 *     select (status_type) {
 *         case ocsp: OCSPResponse;
 *     } response;
 * } CertificateStatus;
 *
 * opaque OCSPResponse<1..2^24-1>;
 * ```
 * @spec rfc6066#section-8
 * @spec rfc9846#section-4.5.1.1
 */
export const certificateStatus: ExtensionCodec<Uint8Array> = {
  type: ExtensionType.status_request,

  read(r) {
    const statusType = r.u8();
    if (statusType !== OCSP) throw new DecodeError(`status_type ${statusType}, only ocsp(1) is defined`);
    return r.opaque(3, 1, 0xffffff);
  },

  write(w, response) {
    w.u8(OCSP).opaque(3, response);
  },
};
