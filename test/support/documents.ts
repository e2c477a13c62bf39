/** Documents that tests make: small, and of the formats' own parts. */
import { strToU8, zipSync } from 'fflate';

/** @returns a PDF of these pages, without compression. `encrypted`: with a password. */
export function pdf(pages: string[], trailer = ''): Buffer {
  const objects: string[] = ['<< /Type /Catalog /Pages 2 0 R >>'];
  const kids = pages.map((_, n) => `${4 + 2 * n} 0 R`).join(' ');
  objects.push(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  objects.push('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');
  pages.forEach((text, n) => {
    const stream = text === '' ? '' : `BT /F1 12 Tf 40 700 Td (${text.replaceAll(/[()\\]/g, String.raw`\$&`)}) Tj ET`;
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents ${5 + 2 * n} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`,
      `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
    );
  });
  return pdfOf(objects, trailer);
}

/** A picture as a PDF has it. */
export interface Scan {
  /** Its filter and form, e.g. `/ColorSpace /DeviceGray /BitsPerComponent 8`. */
  form: string;
  width: number;
  height: number;
  data: Buffer;
}

/**
 * @param rotate of each page, in degrees
 * @param over what is painted over each picture
 * @returns a PDF whose pages are pictures
 */
export function scannedPdf(pages: Scan[], rotate = 0, over = ''): Buffer {
  const objects: string[] = ['<< /Type /Catalog /Pages 2 0 R >>'];
  const kids = pages.map((_, n) => `${3 + 3 * n} 0 R`).join(' ');
  objects.push(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  pages.forEach(({ form, width, height, data }, n) => {
    const stream = `q 595 0 0 842 0 0 cm /I Do Q ${over}`;
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Rotate ${rotate} /Contents ${4 + 3 * n} 0 R /Resources << /XObject << /I ${5 + 3 * n} 0 R >> >> >>`,
      `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
      `<< /Type /XObject /Subtype /Image /Width ${width} /Height ${height} ${form} /Length ${data.length} >>\nstream\n${data.toString('latin1')}\nendstream`,
    );
  });
  return pdfOf(objects);
}

/** @param objects in Latin-1 */
function pdfOf(objects: string[], trailer = ''): Buffer {
  let body = '%PDF-1.4\n';
  const offsets = objects.map((object, n) => {
    const at = body.length;
    body += `${n + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(at).padStart(10, '0')} 00000 n \n`;
  });
  const count = objects.length + 1;
  return Buffer.from(
    `${body}xref\n0 ${count}\n0000000000 65535 f \n${offsets.join('')}trailer\n<< /Size ${count} /Root 1 0 R ${trailer} >>\nstartxref\n${body.length}\n%%EOF\n`,
    'latin1',
  );
}

function archive(parts: Record<string, string>): Buffer {
  return Buffer.from(zipSync(Object.fromEntries(Object.entries(parts).map(([name, xml]) => [name, strToU8(xml)]))));
}

function paragraph(text: string): string {
  return `<w:p><w:r><w:t xml:space="preserve">${text}</w:t></w:r></w:p>`;
}

const W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';

/** @returns a Word document of these paragraphs and one table. */
export function docx(paragraphs: string[], table: string[][] = []): Buffer {
  const rows = table.map((row) => `<w:tr>${row.map((cell) => `<w:tc>${paragraph(cell)}</w:tc>`).join('')}</w:tr>`);
  return archive({
    '[Content_Types].xml': '<Types/>',
    'word/document.xml': `<?xml version="1.0"?><w:document ${W}><w:body>${paragraphs.map(paragraph).join('')}<w:tbl>${rows.join('')}</w:tbl></w:body></w:document>`,
  });
}

/** @returns an Excel workbook: a sheet of shared strings and numbers, with an empty column between. */
export function xlsx(sheet: string, rows: [string, number][]): Buffer {
  const strings = rows.map(([text]) => `<si><r><t>${text.slice(0, 1)}</t></r><r><t>${text.slice(1)}</t></r></si>`);
  const cells = rows.map(
    ([, value], n) =>
      `<row r="${n + 1}"><c r="A${n + 1}" t="s"><v>${n}</v></c><c r="C${n + 1}"><f>SUM(B1)</f><v>${value}</v></c></row>`,
  );
  return archive({
    '[Content_Types].xml': '<Types/>',
    'xl/workbook.xml': `<workbook><sheets><sheet name="${sheet}" sheetId="1"/></sheets></workbook>`,
    'xl/sharedStrings.xml': `<sst>${strings.join('')}</sst>`,
    'xl/worksheets/sheet1.xml': `<worksheet><sheetData>${cells.join('')}</sheetData></worksheet>`,
  });
}

/** @returns a PowerPoint presentation of these slides. */
export function pptx(slides: string[]): Buffer {
  const parts = slides.map((text, n) => [
    `ppt/slides/slide${n + 1}.xml`,
    `<p:sld><p:txBody><a:p><a:r><a:t>${text}</a:t></a:r></a:p></p:txBody></p:sld>`,
  ]);
  return archive({ 'ppt/presentation.xml': '<p:presentation/>', ...(Object.fromEntries(parts) as object) });
}

/** @returns a book whose chapters are stored in the opposite order. */
export function epub(chapters: string[]): Buffer {
  const names = chapters.map((_, n) => `c${chapters.length - n}.xhtml`);
  const items = names.map((name, n) => `<item id="i${n}" href="${name}" media-type="application/xhtml+xml"/>`);
  const spine = names.map((_, n) => `<itemref idref="i${n}"/>`);
  const texts = names.map((name, n) => [
    `OEBPS/${name}`,
    `<html><head><title>not this</title></head><body><h1>${n + 1}</h1><p>${chapters[n]}</p></body></html>`,
  ]);
  return Buffer.from(
    zipSync({
      mimetype: [strToU8('application/epub+zip'), { level: 0 }],
      'META-INF/container.xml': strToU8('<container/>'),
      'OEBPS/book.opf': strToU8(
        `<package><manifest>${items.join('')}</manifest><spine>${spine.join('')}</spine></package>`,
      ),
      ...Object.fromEntries(texts.map(([name = '', html = '']) => [name, strToU8(html)])),
    }),
  );
}

/** @returns an OpenDocument text. */
export function odt(paragraphs: string[]): Buffer {
  return Buffer.from(
    zipSync({
      mimetype: [strToU8('application/vnd.oasis.opendocument.text'), { level: 0 }],
      'content.xml': strToU8(
        `<office:document-content><office:body><office:text>${paragraphs.map((text) => `<text:p>${text}</text:p>`).join('')}</office:text></office:body></office:document-content>`,
      ),
    }),
  );
}
