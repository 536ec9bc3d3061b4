/** Something in a layer that files can hold and an image of it cannot: it is to be unpacked. */
export class NotExpressible extends Error {}
