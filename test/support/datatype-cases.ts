// Values at the edges of every datatype, as bytes and as JSON that was written by hand: what servers are sent when their answers are recorded.

import { DATATYPES, type Datatype } from "../../core/tensor.ts";

/** A tensor of one row. */
export interface DatatypeCase {
  /** The datatype in lower case; after a hyphen, what of it not every wire can carry. */
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly [1, number];
  /** Its canonical bytes. */
  readonly hex: string;
  /** Its elements as JSON, with Python's NaN and infinities, and texts that are no UTF-8 as `{"b64": ...}`. */
  readonly json: string;
}

type Row = readonly [name: string, elements: number, hex: string, json: string];

const NOT_A_NUMBER = "Infinity,-Infinity,NaN";

/** Numbers from least to greatest; floats: tenths, minus nought, the least subnormal, the greatest. */
const ROWS: readonly Row[] = [
  ["bool", 2, "0100", "true,false"],
  ["uint8", 3, "0001ff", "0,1,255"],
  ["uint16", 3, "00000100ffff", "0,1,65535"],
  ["uint32", 3, "0000000001000000ffffffff", "0,1,4294967295"],
  ["uint64", 3, "00000000000000000100000000002000ffffffffffffffff", "0,9007199254740993,18446744073709551615"],
  ["int8", 3, "80ff7f", "-128,-1,127"],
  ["int16", 3, "0080ffffff7f", "-32768,-1,32767"],
  ["int32", 3, "00000080ffffffffffffff7f", "-2147483648,-1,2147483647"],
  [
    ...(["int64", 3] as const),
    "0000000000000080ffffffffffffdfffffffffffffffff7f",
    "-9223372036854775808,-9007199254740993,9223372036854775807",
  ],
  ["fp16", 4, "662e00800100ff7b", "0.0999755859375,-0.0,5.960464477539063e-08,65504.0"],
  ["fp16-odd", 3, "007c00fc007e", NOT_A_NUMBER],
  ["fp16-payload", 1, "01fe", "NaN"],
  ["bf16", 4, "cd3d008001007f7f", "0.10009765625,-0.0,9.183549615799121e-41,3.3895313892515355e+38"],
  ["bf16-odd", 3, "807f80ffc07f", NOT_A_NUMBER],
  ["bf16-payload", 1, "c1ff", "NaN"],
  [
    ...(["fp32", 4] as const),
    "cdcccc3d0000008001000000ffff7f7f",
    "0.10000000149011612,-0.0,1.401298464324817e-45,3.4028234663852886e+38",
  ],
  ["fp32-odd", 3, "0000807f000080ff0000c07f", NOT_A_NUMBER],
  ["fp32-payload", 1, "0100c0ff", "NaN"],
  [
    ...(["fp64", 4] as const),
    "9a9999999999b93f00000000000000800100000000000000ffffffffffffef7f",
    "0.1,-0.0,5e-324,1.7976931348623157e+308",
  ],
  ["fp64-odd", 3, "000000000000f07f000000000000f0ff000000000000f87f", NOT_A_NUMBER],
  ["fp64-payload", 1, "010000000000f8ff", "NaN"],
  ["bytes", 3, "000000000100000061" + "02000000c3a9", '"","a","é"'],
  ["bytes-odd", 2, "03000000ff00fe" + "0100000061", '{"b64":"/wD+"},"a"'],
];

export const DATATYPE_CASES: readonly DatatypeCase[] = ROWS.map(([name, elements, hex, json]) => ({
  name,
  datatype: datatypeOf(name),
  shape: [1, elements],
  hex,
  json,
}));

function datatypeOf(name: string): Datatype {
  const word = name.replace(/-.*/, "").toUpperCase();
  const found = DATATYPES.find((one) => one === word);
  if (found === undefined) throw new Error(`${word} is no datatype`);
  return found;
}
