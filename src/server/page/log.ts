import { runsOf } from './ansi.ts';
import { ApiError, follow, range } from './api.ts';
import { h } from './dom.ts';
import { bytes } from './format.ts';

/** What is in the page of a log at once, however large it is, and what is fetched at a time. */
const WINDOW = 256 * 1024;
const PART = 64 * 1024;
const SCAN = 512 * 1024;

/** What make, compilers, linkers and Kiln write where something went wrong. */
const ERROR =
  /(^|[\s:])(fatal )?error:|\bError \d+\b|undefined reference|No rule to make target|^# \w+ failed:/im;

interface Line {
  readonly at: number;
  readonly end: number;
  readonly element: HTMLElement;
}

/** A log that may be long and may still grow: a window on its bytes that moves as one scrolls. */
export class LogView {
  readonly element: HTMLElement;
  readonly #path: string;
  readonly #text = h('div', { class: 'log-text', tabindex: 0, role: 'region', 'aria-label': 'Build log' });
  readonly #where = h('span', { class: 'log-where' });
  readonly #slider = h('input', {
    type: 'range',
    min: 0,
    value: 0,
    step: 1,
    'aria-label': 'Place in the log',
    onchange: () => void this.#guarded(() => this.#jump(Number((this.#slider as HTMLInputElement).value))),
  }) as HTMLInputElement;
  readonly #query = h('input', {
    type: 'search',
    placeholder: 'Search the log',
    'aria-label': 'Search the log',
  }) as HTMLInputElement;
  readonly #following = h('input', { type: 'checkbox', id: 'follow' }) as HTMLInputElement;
  readonly #said = h('span', { class: 'log-said', role: 'status' });
  readonly #stop = new AbortController();
  #lines: Line[] = [];
  #size = 0;
  /** Bytes at the end without a line's end. */
  #rest = new Uint8Array();
  #busy = false;

  constructor(path: string) {
    this.#path = path;
    this.#following.checked = true;
    const search = (forward: boolean) => void this.#guarded(() => this.#find(this.#query.value, forward));
    this.#query.onkeydown = (event) => {
      if (event.key === 'Enter') search(!event.shiftKey);
    };
    this.#text.onscroll = () => this.#scrolled();
    this.element = h(
      'section',
      { class: 'log' },
      h(
        'div',
        { class: 'log-bar' },
        this.#query,
        h('button', { type: 'button', onclick: () => search(false), 'aria-label': 'Previous match' }, '↑'),
        h('button', { type: 'button', onclick: () => search(true), 'aria-label': 'Next match' }, '↓'),
        h(
          'button',
          { type: 'button', onclick: () => void this.#guarded(() => this.#firstError()) },
          'First error',
        ),
        h('label', { class: 'check', for: 'follow' }, this.#following, 'Follow'),
        h('a', { href: `api/v1${path}`, class: 'quiet' }, 'Raw'),
        this.#said,
      ),
      this.#text,
      h('div', { class: 'log-bar' }, this.#slider, this.#where),
    );
    this.#following.onchange = () => {
      if (this.#following.checked) void this.#guarded(() => this.#toEnd());
    };
  }

  /** Shows the end of the log and what is added to it. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#toEnd();
        for await (const chunk of follow(`${this.#path}?follow=1&from=${this.#size}`, this.#stop.signal)) {
          this.#size += chunk.length;
          const end = this.#size;
          if (this.#following.checked || this.#atEnd(end - chunk.length)) this.#append(chunk, end);
          this.#place();
        }
        return;
      } catch (error) {
        if (this.#stop.signal.aborted || (error instanceof ApiError && error.status > 0)) return;
        this.#say('the connection was lost; trying again');
        await new Promise((done) => setTimeout(done, 2000));
        this.#say('');
      }
    }
  }

  close(): void {
    this.#stop.abort();
  }

  #say(text: string): void {
    this.#said.textContent = text;
  }

  /** One thing at a time that moves the window. */
  async #guarded(action: () => Promise<void>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await action();
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    } finally {
      this.#busy = false;
      this.#place();
    }
  }

  async #toEnd(): Promise<void> {
    const { size } = await range(this.#path, 0, 1);
    this.#size = size;
    await this.#load(Math.max(0, size - WINDOW / 2), size);
    this.#text.scrollTop = this.#text.scrollHeight;
  }

  async #jump(at: number): Promise<void> {
    this.#following.checked = false;
    await this.#load(Math.max(0, at - WINDOW / 4), Math.min(this.#size, at + WINDOW / 4));
    this.#lines.find(({ end }) => end > at)?.element.scrollIntoView({ block: 'start' });
  }

  /** Makes a range of bytes the window: its whole lines. */
  async #load(from: number, to: number): Promise<void> {
    this.#lines = [];
    this.#rest = new Uint8Array();
    this.#text.replaceChildren();
    if (to <= from) return;
    const { data } = await range(this.#path, from, to);
    const skipped = from === 0 ? 0 : data.indexOf(10) + 1;
    this.#append(data.subarray(skipped), from + data.length);
  }

  #atEnd(end: number): boolean {
    return (this.#lines.at(-1)?.end ?? 0) + this.#rest.length >= end;
  }

  /** Adds bytes that end at a place of the log; what is too much goes at the top. */
  #append(chunk: Uint8Array, end: number): void {
    const data = new Uint8Array(this.#rest.length + chunk.length);
    data.set(this.#rest);
    data.set(chunk, this.#rest.length);
    const lines = linesOf(data, end - data.length);
    this.#rest = data.slice((lines.at(-1)?.end ?? end - data.length) - (end - data.length));
    this.#text.append(...lines.map(({ element }) => element));
    this.#lines.push(...lines);
    const first = end - WINDOW;
    const gone = this.#lines.findIndex((line) => line.at >= first);
    for (const { element } of this.#lines.splice(0, Math.max(0, gone))) element.remove();
    if (this.#following.checked) this.#text.scrollTop = this.#text.scrollHeight;
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#text;
    const bottom = scrollHeight - clientHeight - scrollTop;
    if (bottom > 40 && this.#following.checked && !this.#busy) this.#following.checked = false;
    if (scrollTop < 400) void this.#guarded(() => this.#earlier());
    else if (bottom < 400) void this.#guarded(() => this.#later());
    this.#place();
  }

  async #earlier(): Promise<void> {
    const to = this.#lines[0]?.at ?? 0;
    if (to === 0) return;
    const from = Math.max(0, to - PART);
    const { data } = await range(this.#path, from, to);
    const skipped = from === 0 ? 0 : data.indexOf(10) + 1;
    const lines = linesOf(data.subarray(skipped), from + skipped);
    const before = this.#text.scrollHeight;
    this.#text.prepend(...lines.map(({ element }) => element));
    this.#text.scrollTop += this.#text.scrollHeight - before;
    this.#lines.unshift(...lines);
    const last = (this.#lines[0]?.at ?? 0) + WINDOW;
    const keep = this.#lines.findIndex((line) => line.at > last);
    if (keep < 0) return;
    for (const { element } of this.#lines.splice(keep)) element.remove();
    this.#rest = new Uint8Array();
  }

  async #later(): Promise<void> {
    const from = (this.#lines.at(-1)?.end ?? 0) + this.#rest.length;
    if (from >= this.#size) return;
    const { data } = await range(this.#path, from, Math.min(this.#size, from + PART));
    const before = this.#lines[0]?.element;
    const top = before?.offsetTop ?? 0;
    this.#append(data, from + data.length);
    const now = this.#lines[0]?.element.offsetTop ?? 0;
    if (before !== this.#lines[0]?.element) this.#text.scrollTop -= top - now;
  }

  #place(): void {
    const { top } = this.#text.getBoundingClientRect();
    const first = this.#lines.find(({ element }) => element.getBoundingClientRect().bottom > top);
    this.#slider.max = String(Math.max(1, this.#size));
    if (document.activeElement !== this.#slider) {
      this.#slider.value = String(this.#following.checked ? this.#size : (first?.at ?? 0));
    }
    this.#where.textContent = `${bytes(first?.at ?? 0)} of ${bytes(this.#size)}`;
  }

  async #find(query: string, forward: boolean): Promise<void> {
    if (query === '') return;
    const pattern = new RegExp(query.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
    const marked = this.#lines.find(({ element }) => element.classList.contains('found'));
    const found = forward
      ? await this.#scan(pattern, marked?.end ?? 0)
      : await this.#scanBack(pattern, marked?.at ?? this.#size);
    await this.#reveal(found, `no more of “${query}”`);
  }

  async #firstError(): Promise<void> {
    await this.#reveal(await this.#scan(ERROR, 0), 'no error in this log');
  }

  async #reveal(at: number | undefined, none: string): Promise<void> {
    for (const { element } of this.#lines) element.classList.remove('found');
    if (at === undefined) return this.#say(none);
    this.#say('');
    const inside = (this.#lines[0]?.at ?? 1) <= at && (this.#lines.at(-1)?.end ?? 0) > at;
    if (inside) this.#following.checked = false;
    else await this.#jump(at);
    const line = this.#lines.find(({ end }) => end > at);
    line?.element.classList.add('found');
    line?.element.scrollIntoView({ block: 'center' });
  }

  /** The place of the first line that matches from a place on: the log is read in parts, and not kept. */
  async #scan(pattern: RegExp, from: number): Promise<number | undefined> {
    for (let at = from; at < this.#size; ) {
      const { data } = await range(this.#path, at, Math.min(this.#size, at + SCAN));
      const whole = at + data.length >= this.#size ? data.length : data.lastIndexOf(10) + 1 || data.length;
      for (const line of split(data.subarray(0, whole), at)) if (pattern.test(line.text)) return line.at;
      at += whole;
    }
    return undefined;
  }

  async #scanBack(pattern: RegExp, to: number): Promise<number | undefined> {
    for (let end = to; end > 0; ) {
      const from = Math.max(0, end - SCAN);
      const { data } = await range(this.#path, from, end);
      const skipped = from === 0 ? 0 : data.indexOf(10) + 1;
      const last = split(data.subarray(skipped), from + skipped).findLast(({ text }) => pattern.test(text));
      if (last !== undefined) return last.at;
      end = from + skipped < end ? from + skipped : from;
    }
    return undefined;
  }
}

const decoder = new TextDecoder();

/** Lines with their places, the last one without an end included. */
function split(data: Uint8Array, start: number): { text: string; at: number; end: number }[] {
  const lines: { text: string; at: number; end: number }[] = [];
  for (let at = 0; at < data.length; ) {
    const newline = data.indexOf(10, at);
    const end = newline < 0 ? data.length : newline + 1;
    lines.push({
      text: decoder.decode(data.subarray(at, newline < 0 ? end : newline)),
      at: start + at,
      end: start + end,
    });
    at = end;
  }
  return lines;
}

function linesOf(data: Uint8Array, start: number): Line[] {
  const whole = data.lastIndexOf(10) + 1;
  return split(data.subarray(0, whole), start).map(({ text, at, end }) => ({
    at,
    end,
    element: lineElement(text),
  }));
}

function lineElement(text: string): HTMLElement {
  const kind = text.startsWith('# ')
    ? 'line note'
    : ERROR.test(text)
      ? 'line bad'
      : /\bwarning:/.test(text)
        ? 'line warn'
        : 'line';
  return h(
    'div',
    { class: kind },
    runsOf(text).map((run) => (run.style === '' ? run.text : h('span', { class: run.style }, run.text))),
    '\n',
  );
}
