import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freshDirectory, kiln } from '../support/kiln.ts';

describe('kiln token', () => {
  it('adds, lists and revokes; a token is printed once and kept nowhere', async () => {
    const home = freshDirectory('home');
    const added = await kiln(['token', 'add', '--role', 'builder', '--name', 'alice', '--home', home]);
    expect(added.stdout).toMatch(/^kiln_[0-9a-f]{8}_[\w-]{43}\n$/);
    const file = join(home, 'tokens.json');
    expect(readFileSync(file, 'utf8')).not.toContain(added.stdout.trim().slice(-43));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { stdout } = await kiln(['token', 'list', '--json', '--home', home]);
    const [token] = (JSON.parse(stdout) as { tokens: { id: string }[] }).tokens;
    expect(token).toMatchObject({ name: 'alice', role: 'builder' });
    expect((await kiln(['token', 'revoke', token?.id ?? '', '--home', home])).code).toBe(0);
    expect((await kiln(['token', 'revoke', token?.id ?? '', '--home', home])).code).toBe(2);
  });

  it('takes the roles that there are', async () => {
    expect((await kiln(['token', 'add', '--role', 'king'])).code).toBe(2);
    expect((await kiln(['token', 'add'])).code).toBe(2);
  });
});

describe('kiln serve', () => {
  it('does not listen where others reach it as long as there are no tokens', async () => {
    const ran = await kiln(['serve', '--listen', '0.0.0.0:0', '--home', freshDirectory('home')]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/can be reached from other machines[\s\S]*kiln token add/);
  });
});
