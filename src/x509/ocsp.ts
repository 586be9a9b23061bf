import { readExtensionList } from './certificate.ts';
import { contextTag, DerError, DerReader, Tag } from './der.ts';
import { comparableName } from './distinguished-name.ts';
import { Oid } from './oids.ts';

/** A response that says something about certificates (RFC 6960, section 4.2.1). All byte arrays are views into what it was read from. */
export interface BasicResponse {
  /** What the responder signed: the ResponseData, DER. */
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier, DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly responder: ResponderId;
  readonly answers: readonly SingleResponse[];
  /** Certificates (DER) that may help to check the signature. */
  readonly certificates: readonly Uint8Array[];
  /** An extension of the response that is critical and not understood. */
  readonly unknownCritical: string | undefined;
}

/** By its name, such that equal ones are equal strings, or by the SHA-1 hash of its key. */
export type ResponderId = { readonly name: string } | { readonly keyHash: Uint8Array };

export interface SingleResponse {
  readonly certificate: CertificateId;
  readonly status: 'good' | 'revoked' | 'unknown';
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  readonly unknownCritical: string | undefined;
}

export interface CertificateId {
  /** Object identifier of the hash. */
  readonly hash: string;
  /** Of the issuer's name (DER), and of its key without algorithm. */
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  /** Content of the INTEGER. */
  readonly serial: Uint8Array;
}

/** The responder has no answer, and anybody could say so: such a response is not signed. */
export interface ErrorResponse {
  /** RFC 6960, section 4.2.1: such as 3, `tryLater`. */
  readonly error: number;
}

const SUCCESSFUL = 0;
const TRY_LATER = 3;
const UNAUTHORIZED = 6;

/**
 * Reads an OCSPResponse strictly: DER only, nothing behind it. Does not judge it. Throws `DerError`, also for responses that are not of the
 * basic kind.
 *
 * ```
 * OCSPResponse ::= SEQUENCE {
 *    responseStatus     ENUMERATED,
 *    responseBytes      [0] EXPLICIT SEQUENCE { responseType OBJECT IDENTIFIER, response OCTET STRING } OPTIONAL }
 * ```
 */
export function parseOcspResponse(der: Uint8Array): BasicResponse | ErrorResponse {
  const file = new DerReader(der);
  const outer = file.enter();
  file.end();
  const { content } = outer.value(Tag.enumerated);
  const status = content[0];
  if (content.length !== 1 || status === undefined || status > UNAUTHORIZED || status === TRY_LATER + 1)
    throw new DerError('a status of a response that does not exist');
  const bytes = outer.enterOptional(contextTag(0, true));
  outer.end();
  if (status !== SUCCESSFUL) {
    if (bytes !== undefined) throw new DerError('an error that comes with a response');
    return { error: status };
  }
  if (bytes === undefined) throw new DerError('a successful response with nothing in it');
  const typed = bytes.enter();
  bytes.end();
  const type = typed.oid();
  if (type !== Oid.ocspBasic) throw new DerError(`a response of the kind ${type}`);
  const response = typed.octetString();
  typed.end();
  return readBasic(response);
}

/**
 * ```
 * BasicOCSPResponse ::= SEQUENCE {
 *    tbsResponseData      ResponseData,
 *    signatureAlgorithm   AlgorithmIdentifier,
 *    signature            BIT STRING,
 *    certs            [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
 * ResponseData ::= SEQUENCE {
 *    version          [0] EXPLICIT Version DEFAULT v1,
 *    responderID          ResponderID,
 *    producedAt           GeneralizedTime,
 *    responses            SEQUENCE OF SingleResponse,
 *    responseExtensions [1] EXPLICIT Extensions OPTIONAL }
 * ```
 */
function readBasic(der: Uint8Array): BasicResponse {
  const file = new DerReader(der, 4);
  const outer = file.enter();
  file.end();
  const tbs = outer.value(Tag.sequence).whole;
  const signatureAlgorithm = outer.value(Tag.sequence).whole;
  const signature = outer.bitStringBytes();
  const certificates = readCertificates(outer.enterOptional(contextTag(0, true)));
  outer.end();

  const data = new DerReader(tbs, 5).enter();
  // Version 1, and there is no other, is the default, which DER leaves out.
  const responder = readResponder(data);
  data.generalizedTime();
  const list = data.enter();
  const answers: SingleResponse[] = [];
  while (!list.done) answers.push(readSingle(list.enter()));
  const unknownCritical = readCritical(data);
  data.end();
  return { tbs, signatureAlgorithm, signature, responder, answers, certificates, unknownCritical };
}

function readCertificates(outer: DerReader | undefined): Uint8Array[] {
  const list = outer?.enter();
  outer?.end();
  const found: Uint8Array[] = [];
  while (list !== undefined && !list.done) found.push(list.value(Tag.sequence).whole);
  return found;
}

/** `ResponderID ::= CHOICE { byName [1] EXPLICIT Name, byKey [2] EXPLICIT OCTET STRING }` */
function readResponder(data: DerReader): ResponderId {
  const byName = data.enterOptional(contextTag(1, true));
  if (byName !== undefined) {
    const name = comparableName(byName.value(Tag.sequence).whole);
    byName.end();
    return { name };
  }
  const byKey = data.enter(contextTag(2, true));
  const keyHash = byKey.octetString();
  byKey.end();
  return { keyHash };
}

/**
 * ```
 * SingleResponse ::= SEQUENCE {
 *    certID               CertID,
 *    certStatus           CHOICE { good [0] IMPLICIT NULL, revoked [1] IMPLICIT RevokedInfo, unknown [2] IMPLICIT NULL },
 *    thisUpdate           GeneralizedTime,
 *    nextUpdate       [0] EXPLICIT GeneralizedTime OPTIONAL,
 *    singleExtensions [1] EXPLICIT Extensions OPTIONAL }
 * ```
 */
function readSingle(single: DerReader): SingleResponse {
  const certificate = readCertificateId(single.enter());
  const status = readStatus(single);
  const thisUpdate = single.generalizedTime();
  const next = single.enterOptional(contextTag(0, true));
  const nextUpdate = next?.generalizedTime();
  next?.end();
  const unknownCritical = readCritical(single);
  single.end();
  return { certificate, status, thisUpdate, nextUpdate, unknownCritical };
}

function readCertificateId(id: DerReader): CertificateId {
  const algorithm = id.enter();
  const hash = algorithm.oid();
  if (!algorithm.done) algorithm.null();
  algorithm.end();
  const issuerNameHash = id.octetString();
  const issuerKeyHash = id.octetString();
  const serial = id.integer();
  id.end();
  return { hash, issuerNameHash, issuerKeyHash, serial };
}

function readStatus(single: DerReader): SingleResponse['status'] {
  const revoked = single.enterOptional(contextTag(1, true));
  if (revoked !== undefined) {
    revoked.generalizedTime();
    const reason = revoked.enterOptional(contextTag(0, true));
    reason?.value(Tag.enumerated);
    reason?.end();
    revoked.end();
    return 'revoked';
  }
  const good = single.optional(contextTag(0, false));
  const { content } = good ?? single.value(contextTag(2, false));
  if (content.length !== 0) throw new DerError('a NULL with content');
  return good === undefined ? 'unknown' : 'good';
}

/** Extensions that change nothing for a response that was not asked for by its reader. */
const UNDERSTOOD: readonly string[] = [Oid.ocspNonce];

function readCritical(reader: DerReader): string | undefined {
  const { critical } = readExtensionList(reader.enterOptional(contextTag(1, true)));
  return critical.find((oid) => !UNDERSTOOD.includes(oid));
}
