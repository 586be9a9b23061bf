import * as der from '../../../../src/x509/der.ts';
import { NOW } from '../../forge.ts';
import { bad, type Case, DAY, good, PLACES, SECOND, YEAR } from '../case.ts';

const text = (tag: number, time: string): Uint8Array => der.encode(tag, Buffer.from(time, 'latin1'));
const utc = (time: string): Uint8Array => text(der.Tag.utcTime, time);
const general = (time: string): Uint8Array => text(der.Tag.generalizedTime, time);

export function validity(): Case[] {
  return [
    ...PLACES.flatMap((place) => [
      bad(`${place} expired a second ago`, { [place]: { notAfter: NOW - SECOND } }),
      bad(`${place} expired years ago`, { [place]: { notBefore: NOW - 9 * YEAR, notAfter: NOW - 8 * YEAR } }),
      bad(`${place} valid from the next second`, { [place]: { notBefore: NOW + SECOND } }),
      good(`${place} in its first second`, { [place]: { notBefore: NOW } }),
      good(`${place} in its last second`, { [place]: { notAfter: NOW } }, { differs: 'last second' }),
      good(`${place} valid one second more`, { [place]: { notAfter: NOW + SECOND } }),
    ]),
    bad('leaf that ends before it begins', { leaf: { notBefore: NOW + DAY, notAfter: NOW - DAY } }),
    bad('lower that ends before it begins', { lower: { notBefore: NOW + DAY, notAfter: NOW - DAY } }),
    bad('all expired', Object.fromEntries(PLACES.map((place) => [place, { notAfter: NOW - DAY }]))),
    good('leaf valid longer than its issuer', { leaf: { notAfter: NOW + 20 * YEAR } }),
    good('valid today, judged in half a year', {}, { now: NOW + 180 * DAY }),
    bad('valid today, judged in two years', {}, { now: NOW + 2 * YEAR }),
    bad('valid today, judged two years ago', {}, { now: NOW - 2 * YEAR }),
    good('judged in 2060', Object.fromEntries(PLACES.map((place) => [place, { notAfter: Date.UTC(2070, 0) }])), {
      now: Date.UTC(2060, 0),
    }),
  ];
}

export function timeForms(): Case[] {
  const ends = (name: string, time: Uint8Array): [string, object] => [
    `ends at ${name}`,
    { leaf: { raw: { notAfter: time } } },
  ];
  const begins = (name: string, time: Uint8Array): [string, object] => [
    `begins at ${name}`,
    { leaf: { raw: { notBefore: time } } },
  ];
  const badEnd = (name: string, time: Uint8Array, extra = {}): Case => bad(...ends(name, time), extra);
  const goodEnd = (name: string, time: Uint8Array, extra = {}): Case => good(...ends(name, time), extra);
  return [
    goodEnd('UTCTime 491231235959Z, the last', utc('491231235959Z')),
    goodEnd('GeneralizedTime 20500101000000Z, the first', general('20500101000000Z')),
    goodEnd('GeneralizedTime 99991231235959Z, no known end', general('99991231235959Z')),
    badEnd('UTCTime 500101000000Z, which is 1950', utc('500101000000Z')),
    badEnd('UTCTime 991231235959Z, which is 1999', utc('991231235959Z')),
    good(...begins('UTCTime 500101000000Z, the first', utc('500101000000Z'))),
    good(...begins('UTCTime 700101000000Z', utc('700101000000Z'))),
    good(...begins('GeneralizedTime before 1950', general('19490101000000Z'))),
    goodEnd('29 February of a leap year', utc('280229000000Z')),
    badEnd('29 February of no leap year', utc('270229000000Z')),
    badEnd('29 February 2100', general('21000229000000Z')),
    badEnd('30 February', utc('270230000000Z')),
    badEnd('31 April', utc('270431000000Z')),
    badEnd('month 0', utc('270001000000Z')),
    badEnd('month 13', utc('271301000000Z')),
    badEnd('day 0', utc('270100000000Z')),
    badEnd('day 32', utc('270132000000Z')),
    badEnd('24 o’clock', utc('270101240000Z')),
    badEnd('minute 60', utc('270101006000Z')),
    badEnd('second 60', utc('270101000060Z')),
    badEnd('UTCTime without seconds', utc('2701010000Z')),
    badEnd('UTCTime with an offset', utc('270101000000+0000')),
    badEnd('UTCTime with an offset that is not zero', utc('270101000000-0800')),
    badEnd('UTCTime without Z', utc('270101000000')),
    badEnd('UTCTime with a small z', utc('270101000000z')),
    badEnd('UTCTime with a fraction', utc('270101000000.5Z')),
    badEnd('UTCTime with four digits of year', utc('20270101000000Z')),
    badEnd('UTCTime with a space', utc('270101000000 ')),
    badEnd('UTCTime with a space for a digit', utc(' 70101000000Z')),
    badEnd('UTCTime with a sign', utc('+70101000000Z')),
    badEnd('UTCTime with letters', utc('27JAN1000000Z')),
    badEnd('UTCTime with a zero byte', utc('270101000000\0')),
    badEnd('UTCTime with bytes behind', utc('270101000000Z0')),
    badEnd('UTCTime, empty', utc('')),
    badEnd('GeneralizedTime, empty', general('')),
    badEnd('GeneralizedTime without seconds', general('205001010000Z')),
    badEnd('GeneralizedTime with a fraction', general('20500101000000.5Z')),
    badEnd('GeneralizedTime with a fraction after a comma', general('20500101000000,5Z')),
    badEnd('GeneralizedTime with an offset', general('20500101000000+0100')),
    badEnd('GeneralizedTime without Z', general('20500101000000')),
    badEnd('GeneralizedTime with two digits of year', general('500101000000Z')),
    goodEnd('GeneralizedTime that UTCTime could tell', general('20270101000000Z')),
    badEnd('a VisibleString', text(0x1a, '270101000000Z')),
    badEnd('an INTEGER', der.integer(1)),
    badEnd('UTCTime in a constructed form', der.encode(0x37, text(0x17, '270101'), text(0x17, '000000Z')), {
      differs: 'BER',
    }),
    bad('only one of the two times', { leaf: { raw: { notAfter: new Uint8Array(0) } } }),
    bad('three times', { leaf: { raw: { notAfter: Buffer.concat([utc('270101000000Z'), utc('270101000000Z')]) } } }),
    bad('no validity', { leaf: { raw: { validity: new Uint8Array(0) } } }),
    bad('a time in the lower authority without seconds', { lower: { raw: { notAfter: utc('2701010000Z') } } }),
    bad('a time in the root without seconds', { root: { raw: { notAfter: utc('2701010000Z') } } }),
  ];
}
