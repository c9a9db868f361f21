// Protocol buffers by hand: fields by their numbers, as the echo servers and the clients of the matrix need them.

/** A field: its number and its payload; a varint's value for wire type 0. */
export interface Field {
  readonly number: number;
  readonly bytes?: Uint8Array;
  readonly varint?: bigint;
}

export function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

/** A length-delimited field. */
export function bytesField(number: number, payload: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(payload);
  return Buffer.concat([varint(BigInt(number << 3) | 2n), varint(BigInt(bytes.byteLength)), bytes]);
}

export function varintField(number: number, value: bigint): Uint8Array {
  return Buffer.concat([varint(BigInt(number << 3)), varint(value)]);
}

/** The fields of a message in their order. Source: protobuf.dev, encoding. */
export function fieldsOf(message: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.byteLength) {
    const tag = Number(next());
    const number = tag >>> 3;
    if ((tag & 7) === 0) fields.push({ number, varint: next() });
    else if ((tag & 7) === 1) fields.push({ number, bytes: take(8) });
    else if ((tag & 7) === 5) fields.push({ number, bytes: take(4) });
    else fields.push({ number, bytes: take(Number(next())) });
  }
  return fields;
}

/** The payloads of one field. */
export function payloadsOf(message: Uint8Array, number: number): readonly Uint8Array[] {
  return fieldsOf(message).flatMap((field) => (field.number === number ? (field.bytes ?? []) : []));
}

/** The numbers of one field, packed or not. */
export function varintsOf(message: Uint8Array, number: number): readonly bigint[] {
  return fieldsOf(message).flatMap((field) => {
    if (field.number !== number) return [];
    return field.varint === undefined ? packed(field.bytes!) : [field.varint];
  });
}

function packed(bytes: Uint8Array): readonly bigint[] {
  const values: bigint[] = [];
  let [value, shift] = [0n, 0n];
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte < 0x80) {
      values.push(value);
      [value, shift] = [0n, 0n];
    }
  }
  return values;
}
