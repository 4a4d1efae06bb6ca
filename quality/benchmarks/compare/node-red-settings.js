// Node-RED's settings: no editor, no telemetry, nothing installed at run time. The benchmark sets the variables.
module.exports = {
  userDir: process.env.HOME,
  flowFile: 'flows.json',
  uiHost: '127.0.0.1',
  uiPort: Number(process.env.PORT),
  httpAdminRoot: false,
  telemetry: { enabled: false, updateNotification: false },
  functionExternalModules: true,
  externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
  credentialSecret: false,
  logging: { console: { level: 'warn', metrics: false, audit: false } },
};
