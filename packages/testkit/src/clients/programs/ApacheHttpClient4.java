import java.io.File;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.client.methods.HttpHead;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.client.methods.HttpUriRequest;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.StringEntity;
import org.apache.http.entity.mime.MultipartEntityBuilder;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;

/** Apache HttpClient 4.5, with what it does unless it is told otherwise. */
class ApacheHttpClient4 {
  public static void main(String[] arguments) throws Exception {
    HttpUriRequest request = request(arguments[0], System.getenv("BASE"));
    request.setHeader("Authorization", "Bearer " + System.getenv("TOKEN"));
    try (CloseableHttpClient client = HttpClients.createDefault();
        CloseableHttpResponse response = client.execute(request)) {
      System.out.println(response.getStatusLine().getStatusCode());
    }
  }

  private static HttpUriRequest request(String call, String base) {
    switch (call) {
      case "models": return new HttpGet(base + "/models");
      case "health": return new HttpGet(base + "/-/health");
      case "health-head": return new HttpHead(base + "/-/health");
      case "generate": {
        HttpPost post = new HttpPost(base + "/v1/ideogram-v3/generate");
        post.setEntity(new StringEntity(System.getenv("JSON"), ContentType.APPLICATION_JSON));
        return post;
      }
      default: {
        HttpPost post = new HttpPost(base + "/v1/ideogram-v3/remix");
        post.setEntity(MultipartEntityBuilder.create()
            .addTextBody("prompt", "a lighthouse")
            .addTextBody("rendering_speed", "TURBO")
            .addBinaryBody("image", new File(System.getenv("FILE")), ContentType.IMAGE_PNG, "photo.png")
            .build());
        return post;
      }
    }
  }
}
