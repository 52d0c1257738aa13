import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.Properties;
import javax.mail.Flags;
import javax.mail.Folder;
import javax.mail.Message;
import javax.mail.MessagingException;
import javax.mail.Session;
import javax.mail.Store;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Reads and deletes what ann has on each server: CA-FILE, then "PROTOCOL HOST PORT STARTTLS TIMEOUT" for each. */
class ReadAll {
    public static void main(String[] arguments) throws Exception {
        SSLContext.setDefault(trusting(Path.of(arguments[0])));
        for (String server : Arrays.copyOfRange(arguments, 1, arguments.length)) {
            String[] said = server.split(" ");
            String prefix = "mail." + said[0] + ".";
            Properties properties = new Properties();
            properties.setProperty(prefix + "starttls.enable", said[3]);
            properties.setProperty(prefix + "starttls.required", said[3]);
            properties.setProperty(prefix + "ssl.checkserveridentity", "true");
            properties.setProperty(prefix + "timeout", said[4]);
            try (Store store = Session.getInstance(properties).getStore(said[0])) {
                store.connect(said[1], Integer.parseInt(said[2]), "ann", "s3cret");
                readAll(server, store);
            } catch (MessagingException refused) {
                System.out.println(server + ": " + refused.toString().replaceAll("\\s+", " "));
            }
        }
    }

    private static void readAll(String server, Store store) throws Exception {
        try (Folder folder = store.getFolder("INBOX")) {
            folder.open(Folder.READ_WRITE);
            for (Message message : folder.getMessages()) {
                System.out.println(server + ": read " + message.getContent().toString().strip());
                message.setFlag(Flags.Flag.DELETED, true);
            }
        }
    }

    private static SSLContext trusting(Path file) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream pem = Files.newInputStream(file)) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }
}
