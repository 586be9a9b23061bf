/**
 * Where we decide otherwise than `openssl verify -x509_strict -auth_level 2`, and why. Each one must show in at least one case: one that
 * is gone is to be taken off the list.
 */
export const DIFFERENCES = {
  'last second':
    'notAfter belongs to the validity (RFC 5280, section 4.1.2.5), so that we take the last second and OpenSSL does not',
} as const;

export type Difference = string;

/** A code of ours with what OpenSSL says instead, for chains that both refuse: the number of its error, or `unreadable`. */
export interface CodeDifference {
  readonly ours: string;
  readonly theirs: number | 'unreadable';
  readonly reason: string;
}

export const CODE_DIFFERENCES: readonly CodeDifference[] = [];
