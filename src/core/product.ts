/** Name and version of this program; a test compares the version with package.json. */
export const PRODUCT = 'stowage';
export const PRODUCT_VERSION = '0.1.0';
