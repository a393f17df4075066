export type Child = Node | string | number | null | undefined | false | readonly Child[];

type Handler = (event: Event) => void;
type Value = string | number | boolean | null | undefined | Handler;
export type Attributes = Readonly<Record<string, Value>>;

const SVG = 'http://www.w3.org/2000/svg';
const HANDLERS = [
  'onclick',
  'oninput',
  'onchange',
  'onsubmit',
  'onkeydown',
  'onscroll',
  'onfocus',
  'onpointerenter',
  'onpointerleave',
] as const;

/** An element of HTML. Attributes that are false, null or undefined are left out; `on...` are handlers. */
export function h(tag: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function s(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  return fill(document.createElementNS(SVG, tag) as SVGElement, attributes, children);
}

function fill<T extends Element>(element: T, attributes: Attributes, children: Child[]): T {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') (element as unknown as Record<string, Handler>)[name] = value;
    else if (value !== undefined && value !== null && value !== false) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...flat(children));
  return element;
}

function flat(children: readonly Child[]): (Node | string)[] {
  return children.flatMap((child): (Node | string)[] => {
    if (child === null || child === undefined || child === false) return [];
    if (child instanceof Node) return [child];
    return typeof child === 'object' ? flat(child) : [String(child)];
  });
}

/**
 * Makes an element's children be what is given, keeping those nodes that are alike: who has the focus, has scrolled
 * or has opened something keeps it. A `data-keep` element is left as it is when its value is the same.
 */
export function show(parent: Element, ...children: Child[]): void {
  const fresh = document.createElement('div');
  fresh.append(...flat(children));
  morphChildren(parent, fresh);
}

function morphChildren(parent: Element, fresh: Element): void {
  const old = [...parent.childNodes];
  const byKey = new Map(old.filter((node) => keyOf(node) !== undefined).map((node) => [keyOf(node), node]));
  let at: ChildNode | null = parent.firstChild;
  for (const node of [...fresh.childNodes]) {
    const key = keyOf(node);
    const match =
      key === undefined ? (at !== null && keyOf(at) === undefined ? at : undefined) : byKey.get(key);
    if (match !== undefined && isAlike(match, node)) {
      if (match === at) at = at.nextSibling;
      else parent.insertBefore(match, at);
      morph(match, node);
    } else {
      parent.insertBefore(node, at);
    }
  }
  while (at !== null) {
    const next: ChildNode | null = at.nextSibling;
    at.remove();
    at = next;
  }
}

function keyOf(node: Node): string | undefined {
  return node instanceof Element ? (node.getAttribute('data-key') ?? undefined) : undefined;
}

function isAlike(one: Node, other: Node): boolean {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function morph(old: Node, fresh: Node): void {
  if (!(old instanceof Element) || !(fresh instanceof Element)) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const keep = fresh.getAttribute('data-keep');
  if (keep !== null && keep === old.getAttribute('data-keep')) return;
  for (const { name } of [...old.attributes]) {
    // What somebody opened stays open.
    if (!fresh.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS'))
      old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (name === 'open' && old.nodeName === 'DETAILS') continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const [from, to] = [fresh, old] as unknown as Record<string, Handler | null>[];
  for (const name of HANDLERS)
    if (to && from && (to[name] ?? null) !== (from[name] ?? null)) to[name] = from[name] ?? null;
  morphChildren(old, fresh);
}
