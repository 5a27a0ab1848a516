import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.fileupload.FileItem;
import org.apache.commons.fileupload.FileUpload;
import org.apache.commons.fileupload.RequestContext;
import org.apache.commons.fileupload.disk.DiskFileItemFactory;

/** The reader of Apache Commons FileUpload. */
class CommonsForms {
    public static void main(String[] args) throws Exception {
        FileUpload upload = new FileUpload(new DiskFileItemFactory(1 << 26, null));
        Frames.answer(Frames.versionIn(FileUpload.class), (type, body) -> {
            List<Frames.Entry> entries = new ArrayList<>();
            for (FileItem item : upload.parseRequest(new Body(type, body)))
                entries.add(new Frames.Entry(item.getFieldName(), item.get(), !item.isFormField()));
            return entries;
        });
    }

    private static final class Body implements RequestContext {
        private final String type;
        private final byte[] body;

        Body(String type, byte[] body) {
            this.type = type;
            this.body = body;
        }

        @Override
        public String getCharacterEncoding() {
            return StandardCharsets.UTF_8.name();
        }

        @Override
        public String getContentType() {
            return type;
        }

        @Override
        public int getContentLength() {
            return body.length;
        }

        @Override
        public InputStream getInputStream() {
            return new ByteArrayInputStream(body);
        }
    }
}
