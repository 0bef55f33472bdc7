import { DualGradientDescent, dualGradientDescentOptionNames } from './dual-gradient-descent.js';
import type { DualGradientDescentOptions } from './dual-gradient-descent.js';
import type { MethodName } from './method-options.js';
import type { Method } from './method.js';
import {
  NaturalPolicyGradient,
  naturalPolicyGradientOptionNames,
} from './natural-policy-gradient.js';
import type { NaturalPolicyGradientOptions } from './natural-policy-gradient.js';
import type { Policy } from './policy.js';
import { PPO, ppoOptionNames } from './ppo.js';
import type { PpoOptions } from './ppo.js';
import { TRPO, trpoOptionNames } from './trpo.js';
import type { TrpoOptions } from './trpo.js';
import {
  VanillaPolicyGradient,
  vanillaPolicyGradientOptionNames,
} from './vanilla-policy-gradient.js';
import type { VanillaPolicyGradientOptions } from './vanilla-policy-gradient.js';

/*
 * The methods by name, for those who choose one by name.
 */

/**
 * The options of each method.
 */
export interface OptionsOf {
  readonly VanillaPolicyGradient: VanillaPolicyGradientOptions;
  readonly NaturalPolicyGradient: NaturalPolicyGradientOptions;
  readonly TRPO: TrpoOptions;
  readonly DualGradientDescent: DualGradientDescentOptions;
  readonly PPO: PpoOptions;
}

const classes: {
  readonly [Name in MethodName]: new (
    policy: Policy,
    options: OptionsOf[Name],
  ) => Method;
} = { VanillaPolicyGradient, NaturalPolicyGradient, TRPO, DualGradientDescent, PPO };

/**
 * The names of the options of each method.
 */
export const optionNamesOf: {
  readonly [Name in MethodName]: readonly (keyof OptionsOf[Name] & string)[];
} = {
  VanillaPolicyGradient: vanillaPolicyGradientOptionNames,
  NaturalPolicyGradient: naturalPolicyGradientOptionNames,
  TRPO: trpoOptionNames,
  DualGradientDescent: dualGradientDescentOptionNames,
  PPO: ppoOptionNames,
};

/**
 * The names of the methods, from the simplest to the least simple.
 */
export const methodNames = Object.keys(classes) as readonly MethodName[];

/**
 * Makes a method by name.
 *
 * @throws TrustRegionError As the class's constructor.
 */
export function makeMethod<Name extends MethodName>(
  name: Name,
  policy: Policy,
  options: OptionsOf[Name],
): Method {
  return new classes[name](policy, options);
}
