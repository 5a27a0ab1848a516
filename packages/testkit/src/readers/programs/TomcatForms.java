import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.tomcat.util.http.fileupload.FileItem;
import org.apache.tomcat.util.http.fileupload.FileUpload;
import org.apache.tomcat.util.http.fileupload.UploadContext;
import org.apache.tomcat.util.http.fileupload.disk.DiskFileItemFactory;

/** The reader of Apache Tomcat. */
class TomcatForms {
    public static void main(String[] args) throws Exception {
        DiskFileItemFactory factory = new DiskFileItemFactory();
        factory.setSizeThreshold(1 << 26);
        FileUpload upload = new FileUpload();
        upload.setFileItemFactory(factory);
        upload.setFileCountMax(-1);
        Frames.answer(Frames.versionIn(FileUpload.class), (type, body) -> {
            List<Frames.Entry> entries = new ArrayList<>();
            for (FileItem item : upload.parseRequest(new Body(type, body)))
                entries.add(new Frames.Entry(item.getFieldName(), item.get(), !item.isFormField()));
            return entries;
        });
    }

    private static final class Body implements UploadContext {
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
        public long contentLength() {
            return body.length;
        }

        @Override
        public InputStream getInputStream() {
            return new ByteArrayInputStream(body);
        }
    }
}
