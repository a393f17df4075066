/** Writes `.config` and autoconf.h as scripts/Configure does, byte by byte. */
export class ConfigOutput {
  private readonly config: string[] = ["#\n# Automatically generated make config: don't edit\n#\n"];
  private readonly header: string[] = [
    "/*\n * Automatically generated C config: don't edit\n */\n#define AUTOCONF_INCLUDED\n",
  ];

  comment(text: string): void {
    this.config.push(`\n#\n# ${text}\n#\n`);
    this.header.push(`\n/*\n * ${text}\n */\n`);
  }

  /** A value other than y, m and n is not written at all, as an empty one isn't. */
  tristate(symbol: string, value: string): void {
    if (value === 'y') {
      this.config.push(`${symbol}=y\n`);
      this.header.push(`#define ${symbol} 1\n`);
    } else if (value === 'm') {
      this.config.push(`${symbol}=m\n`);
      this.header.push(`#undef  ${symbol}\n#define ${symbol}_MODULE 1\n`);
    } else if (value === 'n') {
      this.config.push(`# ${symbol} is not set\n`);
      this.header.push(`#undef  ${symbol}\n`);
    }
  }

  int(symbol: string, value: string): void {
    this.config.push(`${symbol}=${value}\n`);
    this.header.push(`#define ${symbol} (${value})\n`);
  }

  hex(symbol: string, value: string): void {
    this.config.push(`${symbol}=${value}\n`);
    this.header.push(`#define ${symbol} 0x${afterX(value)}\n`);
  }

  string(symbol: string, value: string): void {
    this.config.push(`${symbol}="${value}"\n`);
    this.header.push(`#define ${symbol} "${value}"\n`);
  }

  dotConfig(): string {
    return this.config.join('');
  }

  autoconf(): string {
    return this.header.join('');
  }
}

/** The shell's `${value#*[x,X]}`: what follows the first x, X or comma. */
export function afterX(value: string): string {
  return value.replace(/^[^x,X]*[x,X]/, '');
}
