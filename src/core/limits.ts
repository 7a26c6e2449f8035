/** Limits on everything whose size an attacker controls. Units are in the names. */

export const KIB = 1024;
export const MIB: number = 1024 * KIB;
export const GIB: number = 1024 * MIB;

/** Default size of a part: fits FAT32 and loses little when a copy is interrupted. */
export const DEFAULT_PART_BYTES: number = GIB;
/** Smallest part size that can be requested; parts are multiples of the CRC span. */
export const CRC_SPAN_BYTES: number = 4 * MIB;
/** Buffer for positioned reads: small enough to stay in the core's cache while it is hashed and written. Divides a CRC span. */
export const READ_BUFFER_BYTES: number = 256 * KIB;

export const MAX_MANIFEST_BYTES: number = 4 * MIB;
export const MAX_LOCK_BYTES: number = 256 * MIB;
export const MAX_SITE_BYTES: number = MIB;
export const MAX_TRUST_BYTES: number = MIB;
export const MAX_CHECKSUMS_BYTES: number = 64 * MIB;
/** Of a single file that a cluster takes as an object: its API has a limit of 1 MiB for each. */
export const MAX_MOUNTED_FILE_BYTES: number = 700 * KIB;
export const MAX_INDEX_BYTES: number = 256 * MIB;
export const MAX_SIGNATURE_BYTES: number = 64 * KIB;
export const MAX_SIGNATURES = 32;
export const MAX_SIGNATURE_CERTIFICATES = 4;
export const MAX_CERTIFICATE_BYTES: number = 32 * KIB;
export const MAX_DER_DEPTH = 24;
export const MAX_OCI_MANIFEST_BYTES: number = 4 * MIB;
export const MAX_HUB_RESPONSE_BYTES: number = 64 * MIB;
export const MAX_CONTROL_FILE_BYTES: number = 256 * MIB;
/** An installer is hashed while it is read, and never held in memory. */
export const MAX_INSTALLER_BYTES: number = 256 * MIB;
export const MAX_INSTALLER_COMPONENTS_BYTES: number = MIB;

/** Data columns of one set of recovery parts. */
export const MAX_PARITY_COLUMNS = 128;
/** Recovery rows of a bundle: how many columns can be lost at one offset. */
export const MAX_PARITY_ROWS = 16;

export const MAX_PATH_BYTES = 1024;
export const MAX_SEGMENT_BYTES = 255;
export const MAX_PATH_DEPTH = 32;
export const MAX_BUNDLE_FILES = 1_000_000;
/** The bundles that a receipt lists, each with about 300 bytes. */
export const MAX_RECEIPT_BUNDLES = 100;
/** The issuers of notices that a receipt lists, the newest first. */
export const MAX_RECEIPT_NOTICES = 100;
export const MAX_ARCHIVE_ENTRIES = 100_000;
export const MAX_ARCHIVE_BYTES: number = 4 * GIB;
/** Files and folders of one layer of an image. */
export const MAX_LAYER_ENTRIES = 2_000_000;
export const MAX_JSON_DEPTH = 64;
/** The longest answer to an acceptance prompt that the gate reads. */
export const MAX_ANSWER_BYTES: number = MIB;
/** How far a bundle's sequence may be above the last accepted one. */
export const MAX_SEQ_STEP = 100_000;
/** The most that a source of unknown size may send. */
export const MAX_UNKNOWN_BYTES: number = 64 * GIB;
/** The text of a license that a manifest names. */
export const MAX_LICENSE_BYTES: number = MIB;
/** The largest secret of a service: the size of a pipe, so that it is written at once and no engine gets half of one. */
export const MAX_SECRET_BYTES: number = 64 * KIB;
/** The largest file that a service may use as a template. */
export const MAX_TEMPLATE_BYTES: number = MIB;

/** The most documents of a notice, besides their signatures. */
export const MAX_NOTICE_DOCUMENTS = 1000;
/** The most bytes of one document of a notice. */
export const MAX_NOTICE_DOCUMENT_BYTES: number = 4 * MIB;
/** The most bytes of all files of a notice. */
export const MAX_NOTICE_BYTES: number = 32 * MIB;
/** A line of questions. */
export const MAX_QUESTION_BYTES: number = 256 * KIB;
/** The questions of one evaluation. */
export const MAX_QUESTIONS = 20_000;
/** The questions of one evaluation, as a file. */
export const MAX_QUESTIONS_BYTES: number = 64 * MIB;
/** The answers that a result of an evaluation keeps, together. */
export const MAX_ANSWERS_BYTES: number = 32 * MIB;
