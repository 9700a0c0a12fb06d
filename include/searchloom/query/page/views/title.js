// A title, with places to break a long dotted name: DataFrame.to_parquet, not DataFrame.to_p arquet.
import { html } from "../vendor/lit-html/lit-html.js";
import { t } from "../texts/index.js";

const BEFORE = /(?=[._/])/;

export const title = ({ title: given, source_id: id }) =>
  (given || id || t().reader.untitled).split(BEFORE).map((part, place) => (place ? html`<wbr>${part}` : part));
