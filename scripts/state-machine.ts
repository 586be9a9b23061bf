/** `{ state: { message: handler } }`, as exported by `src/handshake/<role>/states.ts`. */
export type Handlers = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The handler tables as a Markdown page: per role a diagram-free table of state x message, in the order of the source. */
export function stateMachineAsMarkdown(roles: Readonly<Record<string, Handlers>>): string {
  const sections = Object.entries(roles).map(
    ([role, handlers]) => `## ${role[0]!.toUpperCase()}${role.slice(1)}\n\n${table(handlers)}`,
  );
  return `${INTRODUCTION}\n${sections.join('\n\n')}\n`;
}

function table(handlers: Handlers): string {
  const messages = [...new Set(Object.values(handlers).flatMap((row) => Object.keys(row)))];
  const rows = Object.entries(handlers).map(([state, row]) => {
    const cells = messages.map((message) => (row[message] === undefined ? '' : `\`${nameOf(row[message])}\``));
    return `| \`${state}\` | ${cells.join(' | ')} |`;
  });
  return [
    `| state | ${messages.map((message) => `\`${message}\``).join(' | ')} |`,
    `|---|${'---|'.repeat(messages.length)}`,
    ...rows,
  ].join('\n');
}

function nameOf(handler: unknown): string {
  return typeof handler === 'function' && handler.name !== '' ? handler.name : 'handler';
}

const INTRODUCTION = `<!-- generated from src/handshake/{server,client}/states.ts by npm run docs -->

# State machine

What each side accepts, by state: the cell names the function that handles the message. An empty cell, and every message without
a column, is \`unexpected_message\`. While a handshake waits for an answer from outside (a signature, a ticket, a verdict on a
certificate) its state reads \`parked:<question>\`; bytes that arrive meanwhile wait in the engine, within its limits.

A server that asked for a certificate after the handshake is in the states \`expect_post_handshake_…\` between the messages of the answer,
which nothing else may interrupt; in all other respects, such as writing, it stays connected. A client is never in a state of its own while it
works on an answer.

Records are below this table: alerts and change_cipher_spec never reach a handler, application data is accepted by the engine only
once the handshake is done, or as early data in \`expect_end_of_early_data\`, and a message after which keys change must end its record
([RFC 9846 section 5.1](https://www.rfc-editor.org/rfc/rfc9846.html#section-5.1)).
`;
