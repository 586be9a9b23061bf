import { fromHex, latin1 } from '../../../src/bytes/index.ts';

/** Pieces of TLS: extension headers, code points, names. */
export const TLS_DICTIONARY: readonly Uint8Array[] = [
  ...[0, 1, 5, 10, 13, 14, 15, 16, 18, 19, 21, 27, 28, 35, 41, 42, 43, 44, 45, 47, 48, 49, 50, 51, 58, 0xff01].map(
    (type) => Uint8Array.of(type >> 8, type, 0, 0),
  ),
  ...[
    '0304',
    '0303',
    '1301',
    '1302',
    '1303',
    '001d',
    '0017',
    '0018',
    '11ec',
    '0804',
    '0403',
    '0807',
    '002b0003020304',
    '002b00020304',
    '002d00020101',
    '002d0003020001',
    '002a0000',
    '002a000400000400',
    '001c00024001',
    '001b0003020001',
    '003a00020101',
    '00290002ffff',
    '0a0a0000',
    'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c',
    '444f574e47524401',
  ].map((hex) => fromHex(hex)),
  latin1('localhost'),
  latin1('h2'),
];

/** Records, whole and begun. */
export const RECORD_DICTIONARY: readonly Uint8Array[] = [
  '140303000101',
  '150303000201',
  '15030300020100',
  '1503030002022a',
  '1603030004',
  '1603010200',
  '1703030011',
  '1703034001',
  '1703034100',
  '1603034000',
  '16030300',
  '14030300020101',
  '474554202f20',
].map((hex) => fromHex(hex));
