import { posix } from 'node:path';
import { KilnError } from '../../platform/errors.ts';
import type { Broken, Condition, If, Node, Setter, Source } from './ast.ts';
import { type Dialect, detectDialect } from './dialect.ts';
import { refuse } from './lexer.ts';
import { parseConfigIn } from './parser.ts';

/** The files of a kernel tree, given by the caller: the resolver itself never touches a disk. */
export interface SourceReader {
  /**
   * The text of a file by its path in the tree (`drivers/net/Config.in`), one character per byte (latin1), or
   * undefined where there is none.
   */
  read(path: string): string | undefined;
}

/** What must hold for a statement to be reached. */
export interface Guard {
  readonly node: If;
  readonly condition: Condition;
  /** The statement is in the else branch. */
  readonly negated: boolean;
}

/** One statement that gives a symbol its value, and the way to it. */
export interface Site {
  readonly node: Setter;
  /** Outermost first, across files. */
  readonly guards: readonly Guard[];
  /** Titles of the menus it stands in, outermost first. */
  readonly menus: readonly string[];
}

/** An architecture's configuration language files, parsed, with all they source. */
export interface ConfigTree {
  readonly arch: string;
  /** Of the top Makefile, e.g. `2.4.22`; undefined where there is none that says. */
  readonly version: string | undefined;
  readonly root: readonly Node[];
  /** Every file of the closure; undefined for one that is sourced but missing. */
  readonly files: ReadonlyMap<string, readonly Node[] | undefined>;
  readonly dialect: Dialect;
  /** Sourced files that the tree does not have, with the places that name them. */
  readonly missing: readonly Source[];
  /** Places behind which a file is not read, by the kernel's own interpreter as by this one. */
  readonly broken: readonly Broken[];
}

const MAX_SOURCE_DEPTH = 40;
const MAX_SITES = 500_000;

/**
 * Reads `arch/<arch>/config.in` and everything it sources.
 * @throws KilnError `invalid`: no such architecture, a statement that is none, a file that sources itself, a
 *   path that leaves the tree. A sourced file that is missing is no error, as it is none for the kernel's own
 *   interpreter; `missing` lists them.
 */
export function loadTree(reader: SourceReader, arch: string): ConfigTree {
  if (!/^\w+$/.test(arch)) throw new KilnError('usage', `'${arch}' is no name of an architecture`);
  const file = `arch/${arch}/config.in`;
  const text = reader.read(file);
  if (text === undefined) {
    throw new KilnError('invalid', `the tree has no ${file}`, {
      hint: 'is this a 2.2 or 2.4 kernel, and is the architecture one of those under arch/?',
    });
  }
  const files = new Map<string, readonly Node[] | undefined>();
  const missing: Source[] = [];
  const root = parseConfigIn(text, file);
  files.set(file, root);
  loadSources(root, [file], reader, files, missing);
  const dialect = detectDialect(reader.read('scripts/Configure'));
  return {
    arch,
    version: makefileVersion(reader.read('Makefile')),
    root,
    files,
    dialect,
    missing,
    broken: findBroken(files),
  };
}

function findBroken(files: ReadonlyMap<string, readonly Node[] | undefined>): Broken[] {
  return [...files.values()].flatMap((nodes) => {
    const last = nodes?.at(-1);
    return last?.kind === 'broken' ? [last] : [];
  });
}

function makefileVersion(makefile: string | undefined): string | undefined {
  const numbers = ['VERSION', 'PATCHLEVEL', 'SUBLEVEL'].map(
    (name) => new RegExp(`^${name}[ \\t]*=[ \\t]*(\\d+)`, 'm').exec(makefile ?? '')?.[1],
  );
  return numbers.includes(undefined) ? undefined : numbers.join('.');
}

function loadSources(
  nodes: readonly Node[],
  open: readonly string[],
  reader: SourceReader,
  files: Map<string, readonly Node[] | undefined>,
  missing: Source[],
): void {
  for (const node of nodes) {
    if (node.kind === 'if') {
      loadSources(node.then, open, reader, files, missing);
      loadSources(node.otherwise, open, reader, files, missing);
    } else if (node.kind === 'source') {
      loadSource(node, open, reader, files, missing);
    }
  }
}

function loadSource(
  node: Source,
  open: readonly string[],
  reader: SourceReader,
  files: Map<string, readonly Node[] | undefined>,
  missing: Source[],
): void {
  const { path, file, line } = node;
  const normal = posix.normalize(path);
  if (normal.startsWith('/') || normal.startsWith('..')) {
    throw refuse(`source ${path} leaves the tree`, file, line);
  }
  if (open.includes(path)) {
    const loop = [...open.slice(open.indexOf(path)), path].join(' -> ');
    throw refuse(`source goes round in a circle: ${loop}`, file, line);
  }
  if (open.length >= MAX_SOURCE_DEPTH) {
    throw refuse(`files source each other more than ${MAX_SOURCE_DEPTH} deep`, file, line);
  }
  if (files.has(path)) {
    if (files.get(path) === undefined) missing.push(node);
    return;
  }
  const text = reader.read(path);
  if (text === undefined) {
    files.set(path, undefined);
    missing.push(node);
    return;
  }
  const nodes = parseConfigIn(text, path);
  // Not listed while its own sources are read, so that a circle through it is seen as one.
  loadSources(nodes, [...open, path], reader, files, missing);
  files.set(path, nodes);
}

/** Every symbol of the tree with the statements that set it, in the order of the files. */
export function findSites(tree: ConfigTree): Map<string, Site[]> {
  const sites = new Map<string, Site[]>();
  let count = 0;
  const add = (symbol: string, site: Site) => {
    count += 1;
    if (count > MAX_SITES) {
      throw refuse(`more than ${MAX_SITES} statements`, site.node.file, site.node.line);
    }
    const known = sites.get(symbol);
    if (known === undefined) sites.set(symbol, [site]);
    else known.push(site);
  };
  walk(tree, tree.root, [], { menus: [], titled: true }, add);
  return sites;
}

interface MenuState {
  menus: string[];
  /** False between `mainmenu_option` and the comment that is its title. */
  titled: boolean;
}

function walk(
  tree: ConfigTree,
  nodes: readonly Node[],
  guards: readonly Guard[],
  menu: MenuState,
  add: (symbol: string, site: Site) => void,
): void {
  for (const node of nodes) {
    if (node.kind === 'if') {
      const { condition } = node;
      walk(tree, node.then, [...guards, { node, condition, negated: false }], menu, add);
      walk(tree, node.otherwise, [...guards, { node, condition, negated: true }], menu, add);
    } else if (node.kind === 'source') {
      walk(tree, tree.files.get(node.path) ?? [], guards, menu, add);
    } else if (node.kind === 'choice') {
      for (const { symbol } of node.members) add(symbol, { node, guards, menus: [...menu.menus] });
    } else if ('symbol' in node) {
      add(node.symbol, { node, guards, menus: [...menu.menus] });
    } else {
      followMenu(node, menu);
    }
  }
}

function followMenu(node: Node, menu: MenuState): void {
  if (node.kind === 'menu') {
    menu.menus.push('');
    menu.titled = false;
  } else if (node.kind === 'endmenu') {
    menu.menus.pop();
    menu.titled = true;
  } else if (node.kind === 'comment' && !menu.titled) {
    menu.menus[menu.menus.length - 1] = node.text;
    menu.titled = true;
  }
}
