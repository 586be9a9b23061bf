/** Client authentication after the handshake, against the system's libssl and against ours. */
import { compare } from './compare.ts';
import { postHandshake } from './scenarios/post-handshake.ts';

compare(postHandshake);
