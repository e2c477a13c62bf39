/** What the command that starts a stack and the stack's supervisor tell each other. The supervisor loads none of the configuration. */
import type { ServiceProblem } from '../service/problems.ts';
import type { DatabaseProblem } from './engine-database.ts';
import type { TemporalServer } from './server-version.ts';
import type { StackState } from './state.ts';

export type ChildName = 'temporal' | 'services' | 'simulator';

export interface EnginePlan {
  /** The binary, and the version of its server. */
  server: TemporalServer;
  /** Arguments without those of the ports. */
  args: string[];
  env: NodeJS.ProcessEnv;
  /** Configured ports; 0 is any free one. */
  port: number;
  uiPort: number;
  /** Other origins that the Web UI is reached at. */
  origins: string[];
}

/** Sentences in the user's language. */
interface Sentences {
  stopping: string;
  stopped: string;
  homeGone: string;
  restarted: Record<ChildName, string>;
  /** For a process whose program is gone; `{}` stands for the file. */
  missing: Record<ChildName, string>;
  hung: string;
  damage: Partial<Record<DatabaseProblem, string>>;
}

/** All that the supervisor needs to run a stack. */
export interface Plan {
  home: string;
  /** Whether the stack outlives the command that started it. */
  outlives: boolean;
  /** Absent if the engine runs elsewhere. */
  engine: EnginePlan | undefined;
  /** The environment of the simulated Kimi; absent if the real one is used. */
  simulator: NodeJS.ProcessEnv | undefined;
  services: {
    /** The environment, which other processes of this user can read: without secrets. */
    env: NodeJS.ProcessEnv;
    /** Variables that are sent to it: its secrets, and what only this stack sets. */
    sent: NodeJS.ProcessEnv;
    /** Whether the simulated Kimi is the gateway too. */
    isSimulatedGateway: boolean;
  };
  /** What is known of the stack before it runs. */
  state: Omit<StackState, 'pid' | 'start' | 'children' | 'started_at' | keyof ServicesState>;
  say: Sentences;
}

/** What the services say of themselves. */
export type ServicesState = Pick<
  StackState,
  | 'temporal_address'
  | 'namespace'
  | 'callback_base_url'
  | 'webhook_url'
  | 'http_api_url'
  | 'worker_health_url'
  | 'relay_url'
  | 'api_url'
  | 'wake_url'
  | 'metrics_urls'
>;

/** To the supervisor: first the home that it shall lock, then the plan. */
export type StartMessage = { home: string } | { plan: Plan };

/** Why a stack did not start. */
export interface StartFailure {
  failed: string;
  /** The reason, if a person can fix it. */
  problem?: ServiceProblem;
  /** What is wrong with the engine's database, if that is the reason. */
  database?: DatabaseProblem;
  /** The file that could not be used, if that is the reason, and the code of the operating system. */
  path?: string | undefined;
  code?: string | undefined;
}

/** From the supervisor. */
export type SupervisorMessage =
  | { claimed: boolean }
  | { ready: StackState }
  | StartFailure
  // The home was removed, or another stack uses it.
  | { lost: true };
