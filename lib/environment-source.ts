import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Environment } from './environments/environment.js';
import { makeEnvironment } from './environments/registry.js';
import { TrustRegionError } from './errors.js';
import { requireEnvironment } from './supervised-environment.js';
import { describe, messageOf } from './validate.js';

/**
 * Makes an environment; called once for each, with its number from 0.
 */
export type EnvironmentFactory = (index: number) => Environment | Promise<Environment>;

/**
 * Where environments come from. All but functions can be sent to another thread.
 */
export type EnvironmentSource =
  | { readonly kind: 'task'; readonly name: string }
  | { readonly kind: 'module'; readonly url: string }
  | { readonly kind: 'factory'; readonly make: EnvironmentFactory };

/**
 * The address of a module given as a path, relative to the working directory, or as a file URL.
 */
export function moduleUrl(module: string | URL): string {
  const text = String(module);
  return text.startsWith('file:') ? text : pathToFileURL(resolve(text)).href;
}

/**
 * Makes environments.
 *
 * @param first - Number of the first.
 * @param tell - Is told which one comes next.
 * @throws TrustRegionError (the promise rejects) what `makeEnvironment` throws; `ERR_CALLBACK` if a
 *   module does not load or a factory fails; `ERR_INVALID_ARGUMENT` if a module has no factory, or
 *   what a factory makes is no environment.
 */
export async function makeEnvironments(
  source: EnvironmentSource,
  first: number,
  count: number,
  tell: (index: number) => void = () => undefined,
): Promise<Environment[]> {
  const make = await factoryOf(source);
  const environments: Environment[] = [];
  try {
    for (let index = first; index < first + count; index += 1) {
      tell(index);
      const label = `environment ${index}`;
      const environment = await callFactory(make, index, source.kind === 'task');
      requireEnvironment(environment, label);
      environments.push(environment);
    }
    return environments;
  } catch (error) {
    try {
      closeAll(environments, first);
    } catch {
      // The first error says more.
    }
    throw error;
  }
}

/**
 * Closes environments: all of them, whatever one does. One that has no `close()` needs none.
 *
 * @param first - Number of the first.
 * @throws TrustRegionError `ERR_CALLBACK` for the first of those whose `close()` threw.
 */
export function closeAll(environments: readonly Environment[], first = 0): void {
  const errors: TrustRegionError[] = [];
  environments.forEach((environment, index) => {
    try {
      environment.close?.();
    } catch (cause) {
      errors.push(
        new TrustRegionError(
          'ERR_CALLBACK',
          `environment ${first + index} (${String(environment.name)}) cannot be closed: close() ` +
            `threw: ${messageOf(cause)}`,
          { cause },
        ),
      );
    }
  });
  if (errors[0] !== undefined) {
    throw errors[0];
  }
}

async function factoryOf(source: EnvironmentSource): Promise<EnvironmentFactory> {
  switch (source.kind) {
    case 'task':
      return () => makeEnvironment(source.name);
    case 'factory':
      return source.make;
    case 'module': {
      const factory = await loadDefault(source.url);
      if (typeof factory !== 'function') {
        throw new TrustRegionError(
          'ERR_INVALID_ARGUMENT',
          `the default export of ${source.url} must be a function that makes an environment, got ` +
            describe(factory),
        );
      }
      return factory as EnvironmentFactory;
    }
  }
}

async function loadDefault(url: string): Promise<unknown> {
  try {
    const module = (await import(url)) as { readonly default?: unknown };
    return module.default;
  } catch (cause) {
    throw new TrustRegionError(
      'ERR_CALLBACK',
      `module ${url} cannot be loaded: ${messageOf(cause)}`,
      { cause },
    );
  }
}

async function callFactory(
  make: EnvironmentFactory,
  index: number,
  isOurs: boolean,
): Promise<Environment> {
  try {
    return await make(index);
  } catch (cause) {
    if (isOurs) {
      throw cause; // it says what is wrong with the name, or which package is missing
    }
    throw new TrustRegionError(
      'ERR_CALLBACK',
      `environment ${index} cannot be made: its factory threw: ${messageOf(cause)}`,
      { cause },
    );
  }
}
