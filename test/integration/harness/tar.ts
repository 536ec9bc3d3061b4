export interface TarFile {
  readonly name: string;
  readonly content?: string | Buffer;
  /** `0` a file, `2` a symbolic link, `5` a folder; a file unless said otherwise. */
  readonly type?: '0' | '1' | '2' | '5';
  readonly linkName?: string;
  /** What the header says instead of the content's length. */
  readonly claimedBytes?: number;
}

/** An archive, byte for byte as told: also what no tar program would write. */
export function makeTar(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap((file) => {
    const content = Buffer.from(file.content ?? '');
    return [header(file, content.length), content, Buffer.alloc(-content.length & 511)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function header({ name, type = '0', linkName = '', claimedBytes }: TarFile, length: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0, 100);
  block.write(octal(type === '5' ? 0o755 : 0o644, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(claimedBytes ?? length, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write(linkName, 157, 100);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
