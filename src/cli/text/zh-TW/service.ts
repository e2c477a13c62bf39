/** The service that starts at boot. */
export const service = {
  will: (file: string) => `將寫入 ${file}：`,
  steps: '並執行：',
  lingers: 'enable-linger 讓你的服務不必登入、開機就啟動。',
  restarts: '目前執行中的服務會先停止，再由這個服務啟動；未完成的任務會繼續。',
  removes: (file: string) => `將停止服務、移除 ${file}，並執行：`,
  question: '要繼續嗎？[y/N]',
  noTerminal: '這裡不是互動式終端機，所以什麼都沒有改動。看過上面的內容後，加上 --yes 再執行一次。',
  left: '什麼都沒有改動。',
  installed: (name: string) =>
    `服務 ${name} 已安裝並執行中；程序意外結束時會自動重新啟動。kimi-dispatch service status 查看，kimi-dispatch service uninstall 移除。`,
  boot: {
    yes: '開機時會自動啟動。',
    login: '你登入時會自動啟動。',
    no_linger: '要等你登入才會啟動；要在開機時就啟動，請執行 sudo loginctl enable-linger $USER',
    disabled: '開機時不會啟動；請執行 kimi-dispatch service install',
  },
  uninstalled: '服務已移除；任務、結果與設定都還在。kimi-dispatch up --detach 可手動啟動。',
  none: '沒有安裝服務，重新開機後不會自動啟動；kimi-dispatch service install 可安裝。',
  running: (name: string, pid: number) => `以服務 ${name} 執行中（程序 ${pid}）。`,
  retrying: (name: string) => `服務 ${name} 無法啟動，正在重試；原因在 kimi-dispatch logs up 裡。`,
  stopped: (name: string) => `服務 ${name} 已安裝，但沒有在執行；請執行 kimi-dispatch up --detach。`,
  starting: (name: string) => `服務 ${name} 正在啟動。`,
  byHand: (name: string) =>
    `服務 ${name} 已安裝，但目前執行的不是它啟動的；要交給服務，請執行 kimi-dispatch down，再執行 kimi-dispatch up --detach。`,
  missing: (files: string) =>
    `服務的程式已不存在：${files}（Node 或套件已更新或移除）；請執行 kimi-dispatch service install 重新安裝服務。`,
  refused: (name: string) =>
    `Kimi Dispatch 已以服務 ${name} 執行中，所以沒有在這裡啟動。kimi-dispatch list 查看任務；要改在這裡執行，請先執行 kimi-dispatch down。`,
  here: (name: string) => `這次由你手動啟動，不是服務 ${name}；要用服務啟動，請改用 kimi-dispatch up --detach。`,
  downUntilBoot: '下次開機時服務會再啟動；不要的話請執行 kimi-dispatch service uninstall。',
  otherScope: (name: string, file: string) =>
    `已有服務 ${name}（${file}）。請先執行 kimi-dispatch service uninstall，再安裝。`,
  simulated: '執行中的服務用的是模擬的 Kimi。請先執行 kimi-dispatch down，再安裝服務。',
  problem: {
    no_manager:
      '這台機器沒有用 systemd 開機，所以沒有安裝服務。請讓你的 init 系統或容器執行 kimi-dispatch up，並在它意外結束時重新啟動。',
    no_session:
      '這裡沒有你的 systemd 使用者工作階段，所以沒有安裝服務。請改用 kimi-dispatch service install --system，或直接登入（不要經由 su、sudo）後再試。',
  },
  throughSudo:
    '請不要用 sudo 執行：服務會變成 root 的，讀不到你的設定。直接執行 kimi-dispatch service install --system，需要時它會自己呼叫 sudo。',
  temporary: (file: string) =>
    `${file} 在 npx 的暫存資料夾裡，隨時可能被移除，所以沒有安裝服務。請先執行 npm install -g kimi-dispatch。`,
  secrets: (names: string, file: string) =>
    `${names} 只在這個 shell 的環境裡，服務讀不到，也不會把密鑰寫進服務的定義，所以沒有安裝。請寫進 ${file}（例如 KIMI_API_KEY=sk-…，再執行 chmod 600 ${file}），然後再執行一次。`,
  stepFailed: (command: string, why: string) => `${command} 失敗：${why}`,
  failed: (why: string, log: string) => `服務沒有啟動成功：${why}（紀錄在 ${log}）`,
  slow: '還沒有就緒；請稍後用 kimi-dispatch service status 查看',
};
