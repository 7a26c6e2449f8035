/** What this program calls itself; a test holds the version to the one in package.json. */
export const PRODUCT = 'stowage';
export const PRODUCT_VERSION = '0.1.0';
