/** The key schedule. It sees transcript hashes and secrets, never messages or records. */

export { expandLabel } from './expand-label.ts';
export { exportKeyingMaterial } from './exporter.ts';
export { importPsk } from './psk-importer.ts';
export { EarlyStage, HandshakeStage, MainStage } from './stages.ts';
export { ticketPsk } from './ticket-psk.ts';
export { finishedMac, nextTrafficSecret, trafficKeys } from './traffic.ts';
export { messageHash, Transcript } from './transcript.ts';
