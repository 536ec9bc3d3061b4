import type { Random } from '@slipway/base';

const QUALITIES =
  'able airy ample bold brave brisk calm clear clever crisp deft eager early fair fleet fond free fresh gentle glad grand happy hardy keen kind light lively loyal lucid merry mild neat nimble noble open plain proud quick quiet ready sharp sleek smart snug solid sound spry steady still stout strong sunny sure swift tidy trim true vivid warm wise witty';
const VESSELS =
  'barge bark bireme brig caique canoe caravel carrack catboat clipper cog coracle corvette cruiser curragh cutter dhow dinghy dory felucca ferry frigate galleon galley gig gondola hooker junk kayak keelboat ketch launch lighter longship lugger packet pinnace pirogue pram proa punt raft sampan scow schooner scull shallop skiff sloop smack steamer tartane tender trawler trireme trow tug umiak whaler wherry xebec yacht yawl';

const words = (list: string) => list.split(' ');
const qualities = words(QUALITIES);
const vessels = words(VESSELS);

/** A name for a container that was given none, such as `swift_cutter`; a digit is added from the second attempt on. */
export function generateName(random: Random, attempt: number): string {
  const name = `${qualities[random.below(qualities.length)]}_${vessels[random.below(vessels.length)]}`;
  return attempt === 0 ? name : `${name}${random.below(10 ** attempt)}`;
}
